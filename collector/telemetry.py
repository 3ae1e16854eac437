"""The collector's own counters, one registry a collector, read at `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "thinkmeter_collector"
FSYNC_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)
INSERT_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)


class Telemetry:
    """Counters of one collector. An item is a span, a log record or a metric point, by the label `signal`."""

    def __init__(self) -> None:
        """Start at zero, in a registry of its own."""
        self.registry = CollectorRegistry(auto_describe=True)
        signal = ["signal"]
        self.received = self._counter("received_items", "items that reached the door readable", signal)
        self.accepted = self._counter("accepted_items", "items acknowledged, on disk", signal)
        self.rejected = self._counter("rejected_items", "items refused within a request", [*signal, "reason"])
        self.odd = self._counter("odd_items", "items taken whose clock seems wrong", [*signal, "kind"])
        self.refused = self._counter("refused_requests", "requests refused or put off as a whole", [*signal, "reason"])
        self.requests = self._counter("requests", "requests by protocol", [*signal, "protocol"])
        self.written = self._counter("written_items", "items that the store has", signal)
        self.segments_written = self._counter("written_segments", "segments that the store has", signal)
        self.segments_split = self._counter("split_segments", "segments refused whole and inserted in parts", signal)
        self.decoded_apart = self._counter(
            "decoded_apart_items", "items that the reference decoder inserted since the store refused them", signal
        )
        self.quarantined = self._counter("quarantined_requests", "requests that the store refused for good", signal)
        self.store_failures = self._counter(
            "store_failures", "inserts tried again under the same token, of which the store keeps one", signal
        )
        self.spool_bytes = self._gauge("spool_bytes", "bytes on disk that wait for the store", [])
        self.spool_segments = self._gauge("spool_segments", "segments on disk that wait for the store", signal)
        self.lag_s = self._gauge("lag_seconds", "age of the oldest request that the store does not have", signal)
        self.fsync_s = self._histogram("fsync_seconds", "time of one fsync of the spool", FSYNC_BUCKETS_S)
        self.insert_s = self._histogram("insert_seconds", "time of one insert", INSERT_BUCKETS_S)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, help_text: str, labels: list[str]) -> Counter:
        return Counter(f"{PREFIX}_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, labels: list[str]) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", help_text, buckets=buckets, registry=self.registry)
