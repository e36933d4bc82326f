"""What went wrong, in words for the person at the keyboard."""

from kennel.exits import Exit


class UserError(Exception):
    """The message says what is wrong and how to mend it; `kennel` prints it and exits 1."""

    exit_code = Exit.FAULT


class Failed(UserError):
    """A job, a deployment or some of the pictures failed after all had been accepted; exits 3."""

    exit_code = Exit.FAILED
