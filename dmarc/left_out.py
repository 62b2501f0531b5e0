"""What is not counted, and why."""


class LeftOutError(Exception):
    """A report is not counted; the text is the reason, in a word or two."""
