"""What ends a benchmark."""


class Failure(Exception):
    """Something broke: the text says what; the run ends with status 1."""
