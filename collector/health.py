"""Whether what is sent now can be read soon, and if not, why."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """State of a collector.

    Attributes:
        store: why the store cannot be reached; empty if it can.
        spool: why requests would be put off; empty if they would not.
        lag_s: age of the oldest request that the store does not have, in seconds.
        lag_limit_s: the age from which on it counts as behind, in seconds.
        waiting_bytes: on disk, waiting for the store.
    """

    store: str
    spool: str
    lag_s: float
    lag_limit_s: float
    waiting_bytes: int

    @property
    def problems(self) -> list[str]:
        """What keeps it from being ready, one sentence each."""
        late = self.lag_s > self.lag_limit_s
        behind = f"the store lacks what was received {self.lag_s:.0f} s ago" if late else ""
        return [problem for problem in (self.store, self.spool, behind) if problem]

    @property
    def ready(self) -> bool:
        """Whether the store is reached, the spool takes more, and the writer is not behind."""
        return not self.problems
