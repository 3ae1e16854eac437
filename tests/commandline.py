"""What a run of the command line comes to; the fixture `run` makes one."""

from collections.abc import Callable
from typing import NamedTuple


class Told(NamedTuple):
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str


Run = Callable[..., Told]
