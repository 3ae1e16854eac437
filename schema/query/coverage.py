"""Which parts of a window rollups answer, and which requests are left for facts."""

import dataclasses
import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Self

from thinkmeter.schema.query.population import Quarters
from thinkmeter.schema.query.sent import Sent

QUARTER_S: Final = 900
DAY_S: Final = 86_400
MANY: Final = 4_000
"""Quarters without cells, from which on it is not worth looking for those that have some."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stretch:
    """A row of `covered.sql`: a day or a quarter of an hour with cells, in seconds and seconds since 1970."""

    step: int
    begin: int
    build: int
    priced: bool
    of_requests: bool
    of_calls: bool

    def serves(self, *, amounts: bool, calls: bool) -> bool:
        """Whether its cells may be used: of calls or of whole requests, with amounts or without."""
        return (self.priced or not amounts) and (self.of_calls if calls else self.of_requests)


@dataclasses.dataclass(frozen=True, slots=True)
class Covered:
    """Which parts of a window rollups answer.

    Attributes:
        used: the stretches whose cells are read.
        rest: the requests that facts answer.
    """

    used: Sequence[Stretch]
    rest: Quarters

    @classmethod
    def by(cls, stretches: Iterable[Stretch], *, amounts: bool, calls: bool) -> Self | None:
        """What these stretches cover, days before their quarters; None: nothing much.

        Args:
            stretches: all that lie in the window.
            amounts: whether amounts are asked for.
            calls: whether calls are counted that began in the window, and not requests.
        """
        serving = [one for one in stretches if one.serves(amounts=amounts, calls=calls)]
        whole_days = {one.begin for one in serving if one.step == DAY_S}
        used = [one for one in serving if one.step == DAY_S or one.begin // DAY_S * DAY_S not in whole_days]
        whole = _joined(sorted((one.begin, one.begin + one.step) for one in used))
        if not whole:
            return None
        holes = [at for (_, end), (begin, _) in pairwise(whole) for at in range(end, begin, QUARTER_S)]
        if len(holes) > MANY:
            return None
        return cls(used, Quarters(holes, (whole[0][0], whole[-1][1])))

    @property
    def sent(self) -> Sent:
        """What names the cells that are read: `step`, `time` and `build`."""
        rows = (_ROW.pack(one.step, one.begin, one.build) for one in self.used)
        return Sent(b"".join(rows), "step UInt32, time DateTime('UTC'), build UInt64")


_ROW: Final = struct.Struct("<IIQ")


def _joined(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in runs:
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found
