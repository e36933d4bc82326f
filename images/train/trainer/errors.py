"""What went wrong, in words for whoever reads the job's status."""


class TrainingError(Exception):
    """The message names the file or field at fault, and how to mend it."""
