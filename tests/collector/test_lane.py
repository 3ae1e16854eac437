"""A lane into the store: what it learned on one connection holds on the next."""

import threading

from tests.collector.otlp import RECEIVED, span_of, traces
from thinkmeter.collector.insertion import DEEP_SEGMENTS
from thinkmeter.collector.lane import Lane
from thinkmeter.collector.privacy import NOTHING_KEPT
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.store.client import StoreAddress


def test_that_segments_are_not_flat_is_known_on_a_new_connection(database: StoreAddress) -> None:
    lane = Lane(Signal.TRACES, database, Telemetry(), NOTHING_KEPT, threading.Event())
    deep = [frame(traces([span_of({"a": {"b": 1}})]), "default", RECEIVED)]
    lane.insert(lambda client, insertion: insertion.insert_natively(client, Signal.TRACES, deep, "deep"))
    learned = []
    for _ in range(2):
        client, insertion = lane.connected()
        learned.append((client, insertion.taken_for_deep))
        lane.close()
    assert learned[0][0] is not learned[1][0]
    assert [left for _, left in learned] == [DEEP_SEGMENTS, DEEP_SEGMENTS]
