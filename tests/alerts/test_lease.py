"""Leases: one owner at a time, whoever asks, and another once it ends."""

import threading
import time

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.lease import Lease


def test_one_of_two_has_it_and_keeps_it(client: Client) -> None:
    ours, theirs = Lease("job", 60), Lease("job", 60)
    assert ours.acquire(client)
    assert not theirs.acquire(client)
    assert ours.acquire(client)
    assert (ours.is_held(), theirs.is_held()) == (True, False)
    assert (ours.taken, theirs.taken) == (1, 0)
    assert Lease("another job", 60).acquire(client)


def test_who_lets_go_is_followed_at_once(client: Client) -> None:
    ours, theirs = Lease("job", 60), Lease("job", 60)
    assert ours.acquire(client)
    ours.release(client)
    assert not ours.is_held()
    assert theirs.acquire(client)
    assert not ours.acquire(client)
    ours.release(client)
    assert theirs.is_held()


def test_who_is_gone_is_followed_when_the_term_ends(client: Client) -> None:
    gone, follower = Lease("job", 0.5), Lease("job", 60)
    started = time.monotonic()
    assert gone.acquire(client)
    while not follower.acquire(client):
        assert time.monotonic() - started < 10
    assert time.monotonic() - started >= 0.5
    assert not gone.is_held()
    assert not gone.acquire(client)


def test_of_many_that_ask_at_the_same_time_one_gets_it(database: StoreAddress) -> None:
    leases = [Lease("job", 60) for _ in range(8)]
    together = threading.Barrier(len(leases))

    def ask(lease: Lease) -> None:
        with connect(database) as own:
            together.wait()
            lease.acquire(own)

    threads = [threading.Thread(target=ask, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lease.is_held() for lease in leases].count(True) == 1
