"""Why something is not taken, and how each protocol says so."""

from enum import StrEnum
from typing import Final

from thinkmeter.schema.errors import PermanentError, RetryableError


class Reason(StrEnum):
    """Why, in a word: the label `reason` of the counters."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"
    COMPRESSION_RATIO = "compression_ratio"
    UNSUPPORTED_TYPE = "unsupported_type"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    BUSY = "busy"
    SLOW = "slow"
    SPOOL_FULL = "spool_full"
    SPOOL_OLD = "spool_old"
    DISK = "disk"
    STOPPING = "stopping"
    # of single spans or rows; the rest of their request is taken
    INVALID_ID = "invalid_id"
    TOO_MANY_ATTRIBUTES = "too_many_attributes"
    ATTRIBUTE_TOO_LONG = "attribute_too_long"
    INVALID_ROW = "invalid_row"
    NOT_STORED = "not_stored"


STATUS: Final = {
    Reason.MALFORMED: (400, "INVALID_ARGUMENT"),
    Reason.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
    Reason.FORBIDDEN: (403, "PERMISSION_DENIED"),
    Reason.TOO_LARGE: (413, "RESOURCE_EXHAUSTED"),
    Reason.COMPRESSION_RATIO: (413, "RESOURCE_EXHAUSTED"),
    Reason.UNSUPPORTED_TYPE: (415, "INVALID_ARGUMENT"),
    Reason.UNSUPPORTED_ENCODING: (415, "INVALID_ARGUMENT"),
    Reason.BUSY: (429, "UNAVAILABLE"),
    Reason.SLOW: (503, "UNAVAILABLE"),
    Reason.SPOOL_FULL: (503, "UNAVAILABLE"),
    Reason.SPOOL_OLD: (503, "UNAVAILABLE"),
    Reason.DISK: (503, "UNAVAILABLE"),
    Reason.STOPPING: (503, "UNAVAILABLE"),
}
"""Of a whole request: HTTP status and gRPC code. OTLP retries 429, 503 and UNAVAILABLE, and nothing else here."""


class Refused(PermanentError):
    """A request that is not taken, now or later.

    Attributes:
        reason: why, in a word.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        """Keep the reason and the sentence for the sender."""
        super().__init__(message)
        self.reason = reason


class Deferred(RetryableError):
    """A request that is not taken now.

    Attributes:
        reason: why, in a word.
    """

    def __init__(self, reason: Reason, message: str, retry_after_s: float = 1.0) -> None:
        """Keep the reason, the sentence for the sender and the pause it is asked to make, in seconds."""
        super().__init__(message, retry_after_s)
        self.reason = reason
