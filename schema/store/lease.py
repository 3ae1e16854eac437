"""Leases in the store: of several processes, one at a time may do a thing."""

import os
import secrets
import socket
import time

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.store.statement import statement


def holder(client: Client, name: str) -> str:
    """Who holds a lease now, as `host:process:number`; empty if nobody does."""
    rows = client.query(statement(__package__, "newest_lease"), parameters={"name": name}).result_rows
    return next((str(owner) for _, owner, is_held in rows if is_held), "")


class Lease:
    """The right to do what `name` says, for as long as it is renewed.

    A lease is a row of a numbered term. The store takes the first insert of a term and drops every other (the term
    is its deduplication token), so whoever reads itself back owns it. Until a term ends by the store's clock nobody
    asks for the next but its owner.

    Attributes:
        owner: this process and this lease, as others see it in the table `leases`.
        taken: how often it became ours; while it does not change, nobody else had it in between.
    """

    def __init__(self, name: str, length_s: float) -> None:
        """Name the lease; nothing is taken before `acquire`.

        Args:
            name: what only one may do.
            length_s: how long a term lasts, and so how long after its owner's death another takes over, in seconds.
        """
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.taken = 0
        self._name = name
        self._length_s = length_s
        self._held_until = 0.0

    def is_held(self) -> bool:
        """Whether it is ours at this instant, reckoned from before it was asked for."""
        return time.monotonic() < self._held_until

    def acquire(self, client: Client) -> bool:
        """Take the lease where it is free, renew it where it is ours; whether it is ours now."""
        asked = time.monotonic()
        term, owner, is_held = self._newest(client)
        if is_held and owner != self.owner:
            self._held_until = 0.0
            return False
        was_ours = is_held and owner == self.owner
        self._claim(client, term + 1, self._length_s)
        _, owner, is_held = self._newest(client)
        is_ours = is_held and owner == self.owner
        self.taken += is_ours and not was_ours
        self._held_until = asked + self._length_s if is_ours else 0.0
        return is_ours

    def release(self, client: Client) -> None:
        """Let it go, so that the next need not wait for the term to end; nothing where it is not ours."""
        if self.is_held():
            self._held_until = 0.0
            term, owner, _ = self._newest(client)
            if owner == self.owner:
                self._claim(client, term + 1, 0.0)

    def _newest(self, client: Client) -> tuple[int, str, bool]:
        rows = client.query(statement(__package__, "newest_lease"), parameters={"name": self._name}).result_rows
        for term, owner, is_held in rows:
            return int(term), str(owner), bool(is_held)
        return 0, "", False

    def _claim(self, client: Client, term: int, length_s: float) -> None:
        client.command(
            statement(__package__, "claim_lease"),
            parameters={"name": self._name, "term": term, "owner": self.owner, "length_ms": round(length_s * 1e3)},
            settings={"insert_deduplication_token": f"{self._name}/{term}"},
        )
