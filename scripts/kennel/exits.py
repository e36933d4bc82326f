"""The exit codes of every verb of `kennel`, for scripts and CI; docs/command.md lists them."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAULT = 1  # something that the person at the keyboard can mend; the message says how
    USAGE = 2  # the command line itself is wrong
    FAILED = 3  # what was asked for ran on AWS, and failed there
    INTERRUPTED = 130  # Ctrl-C; running the verb again continues
