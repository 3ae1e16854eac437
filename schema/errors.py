"""The two kinds of failure, and the one that a person at a terminal is told."""


class ThinkmeterError(Exception):
    """A failure with a sentence for a person: what is wrong, where, and what to do. The CLI prints it, exit 1."""


class PermanentError(ThinkmeterError):
    """The same input will fail again: never retry."""


class RetryableError(ThinkmeterError):
    """The same input may succeed later.

    Attributes:
        retry_after_s: how long to wait before the next try, in seconds.
    """

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        """Keep the message and the pause that the sender is asked to make, in seconds."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
