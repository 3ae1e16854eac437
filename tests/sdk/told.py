"""What a provider tells of one call, in our meaning."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """What a provider tells of one call, in our meaning: input with cache, output with thinking; None: not told."""

    input: int = 1200
    cached: int | None = 924
    output: int = 640
    thinking: int | None = 512
