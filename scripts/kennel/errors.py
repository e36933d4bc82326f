"""What went wrong, in words for the person at the keyboard."""


class UserError(Exception):
    """The message says what is wrong and how to mend it; `kennel` prints it and exits 1."""
