"""The OpenTelemetry SDK's half: providers, processors, flushing, the end. Imported by `instrument()` alone."""

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final, cast

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.delivery import Delivery
from thinkmeter.sdk.health import contained
from thinkmeter.sdk.scope import current_scope
from thinkmeter.sdk.settings import Settings

QUEUE_SIZE: Final = 8192
"""Spans, and log records, held in memory while the collector is away; `OTEL_BSP_MAX_QUEUE_SIZE` overrides."""
SCHEDULE_DELAY_MS: Final = 1000
"""A span waits at most this long for company; `OTEL_BSP_SCHEDULE_DELAY` overrides."""
BATCH_SIZE: Final = 512
"""Most spans in one request; `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` overrides."""
POOLS: Final = ("multiprocessing", "billiard")
"""What makes processes and ends them: the standard library's, and Celery's copy of it."""
GEN_AI: Final = ("gen_ai.", "thinkmeter.", "llm.", "openinference.", "traceloop.", "langfuse.")
"""An attribute with such a name makes a span a GenAI span, in any dialect."""


class Stamp(SpanProcessor):
    """Writes the request, attempt and tier that a span was started in onto spans of other instrumentations."""

    def __init__(self) -> None:
        """Begin to stamp."""
        self.active = True

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a span; our own spans carry these attributes from the start."""
        scope = span.instrumentation_scope
        if not self.active or (scope is not None and scope.name == names.SDK_SCOPE):
            return
        with contained("stamping a span"):
            stamped = current_scope(parent_context).attributes
            if stamped:
                own = span.attributes or {}
                span.set_attributes({name: value for name, value in stamped.items() if name not in own})


_STAMPS: Final[weakref.WeakKeyDictionary[Any, Stamp]] = weakref.WeakKeyDictionary()


class SpanExport(BatchSpanProcessor):
    """Batches GenAI spans, and no others, for delivery."""

    def __init__(self, delivery: Delivery, timeout_s: float, queue_size: int, batch_size: int, delay_ms: int) -> None:
        """Start the worker thread; `timeout_s` bounds its end."""
        exporter = cast(SpanExporter, delivery)
        super().__init__(exporter, queue_size, delay_ms, batch_size)
        self.delivery = delivery
        self.active = True
        self._timeout_s = timeout_s

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, if it is one of ours or any dialect's GenAI span."""
        if self.active and span.context is not None and span.context.trace_flags.sampled and _is_gen_ai(span):
            self.delivery.accept()
            super().on_end(span)

    def shutdown(self) -> None:
        """End within the flush timeout, whoever asks: ours at exit, or the application's own provider."""
        self.active = False
        _end(self, self.delivery, self._timeout_s)


class LogExport(BatchLogRecordProcessor):
    """Batches verdicts and labels for delivery."""

    def __init__(self, delivery: Delivery, timeout_s: float, queue_size: int, batch_size: int, delay_ms: int) -> None:
        """Start the worker thread; `timeout_s` bounds its end."""
        exporter = cast(LogRecordExporter, delivery)
        super().__init__(exporter, delay_ms, batch_size, max_queue_size=queue_size)
        self.delivery = delivery
        self.active = True
        self._timeout_s = timeout_s

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue the record."""
        if self.active:
            self.delivery.accept()
            super().on_emit(log_record)

    def shutdown(self) -> None:
        """End within the flush timeout."""
        self.active = False
        _end(self, self.delivery, self._timeout_s)


class Export:
    """Both signals' way out of this process, and its orderly end."""

    def __init__(self, settings: Settings) -> None:
        """Have what will be started ended at exit."""
        self._settings = settings
        self._lock = threading.Lock()
        self._stamps: list[Stamp] = []
        self.spans: SpanExport | None = None
        self.logs: LogExport | None = None
        self._flusher: threading.Thread | None = None
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            method = weakref.WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: (forked := method()) and forked())
        self._end_with_pools()

    def _forked(self) -> None:
        """Start over with locks that nobody holds: the thread that held them stayed behind in the parent."""
        self._lock = threading.Lock()
        self._flusher = None
        self._end_with_pools()

    def _end_with_pools(self) -> None:
        """Have workers of process pools deliver before they end: they end without `atexit`."""
        for name in POOLS:
            util, process = sys.modules.get(f"{name}.util"), sys.modules.get(f"{name}.process")
            if util is None or process is None:
                continue

            def finalize(export: "Export", util: Any = util) -> None:
                util.Finalize(export, export.last, exitpriority=0)

            # A child forgets its parent's finalizers when it begins, and then does what was registered for that moment.
            util.register_after_fork(self, finalize)
            if getattr(process, "_parent_process", None) is not None:  # it has begun: instrumented by its own task
                finalize(self)
        celery = sys.modules.get("celery.signals")
        if celery is not None:  # whose workers end without finalizers, too
            celery.worker_process_shutdown.connect(self.last, weak=False)

    def last(self, *_: Any, **__: Any) -> None:
        """Deliver what is there, within the flush timeout, in a process that is about to end."""
        self.flush(self._settings.flush_timeout_s)

    def stamp(self, provider: Any) -> None:
        """Have the spans of an application's provider stamped. A provider keeps its processors: it gets one, once."""
        stamp = _STAMPS.get(provider)
        if stamp is None:
            stamp = _STAMPS[provider] = Stamp()
            provider.add_span_processor(stamp)
        stamp.active = True
        self._stamps.append(stamp)

    def span_export(self) -> SpanExport | None:
        """The processor that sends spans, started when first needed; None: the environment wants none sent."""
        if os.environ.get("OTEL_TRACES_EXPORTER") == "none" and self._settings.endpoint is None:
            return None
        with self._lock:
            if self.spans is None:
                self.spans = SpanExport(*_arguments("traces", self._settings, "BSP"))
            return self.spans

    def log_export(self) -> LogExport:
        """The processor that sends verdicts and labels, started when first needed."""
        with self._lock:
            if self.logs is None:
                self.logs = LogExport(*_arguments("logs", self._settings, "BLRP"))
            return self.logs

    def resource(self) -> Resource:
        """What our own providers say of this process."""
        own = {names.SDK_VERSION: sdk_version()}
        if self._settings.service_name:
            own[names.SERVICE_NAME] = self._settings.service_name
        return Resource.create(own)

    def tracer_provider(self) -> TracerProvider:
        """A provider of our own, for an application that has none. It is not made the global one."""
        provider = TracerProvider(resource=self.resource(), shutdown_on_exit=False)
        spans = self.span_export()
        if spans is not None:
            provider.add_span_processor(spans)
        return provider

    def logger_provider(self, resource: Resource | None) -> LoggerProvider:
        """A provider of our own for verdicts and labels."""
        provider = LoggerProvider(resource=resource or self.resource(), shutdown_on_exit=False)
        provider.add_log_record_processor(self.log_export())
        return provider

    def flush(self, timeout_s: float, others: Sequence[Any] = ()) -> bool:
        """Send what waits; True when all of it was taken in time and nothing was lost meanwhile.

        Args:
            timeout_s: longest wait, in seconds.
            others: providers of the application, which are flushed too.
        """
        before = self._lost()
        deadline = time.monotonic() + timeout_s
        while True:
            # The SDK's force_flush takes no timeout and may wait for a collector that is away: another thread waits.
            flusher = self._flusher
            joining = flusher is not None and flusher.is_alive()
            if flusher is None or not joining:
                flusher = self._flusher = threading.Thread(
                    target=self._flush, args=[others], name="thinkmeter flush", daemon=True
                )
                flusher.start()
            flusher.join(max(deadline - time.monotonic(), 0.0))
            if flusher.is_alive():
                return False
            if not joining:
                return self._lost() == before

    def _flush(self, others: Sequence[Any]) -> None:
        """Wait for both workers, and for the application's providers."""
        for holder in (*self._running(), *others):
            with contained("flushing"):
                holder.force_flush()

    def _lost(self) -> int:
        """Items dropped so far."""
        return sum(sum(processor.delivery.health().dropped.values()) for processor in self._running())

    def _running(self) -> list[SpanExport | LogExport]:
        """The processors that were started."""
        return [processor for processor in (self.spans, self.logs) if processor is not None]

    def close(self) -> None:
        """Deliver what is there within the flush timeout, then stop."""
        atexit.unregister(self.close)
        for stamp in self._stamps:
            stamp.active = False
        deadline = time.monotonic() + self._settings.flush_timeout_s
        for processor in self._running():
            processor.delivery.close_by(deadline)
        for processor in self._running():
            with contained("ending the export"):
                processor.shutdown()


def sdk_version() -> str:
    """The version of this SDK."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("thinkmeter")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def _arguments(signal: str, settings: Settings, prefix: str) -> tuple[Delivery, float, int, int, int]:
    """What an export processor of that signal is made of; `prefix` names its OTEL variables."""
    queue_size = _positive(f"OTEL_{prefix}_MAX_QUEUE_SIZE", QUEUE_SIZE)
    batch_size = min(_positive(f"OTEL_{prefix}_MAX_EXPORT_BATCH_SIZE", BATCH_SIZE), queue_size)
    delay_ms = _positive(f"OTEL_{prefix}_SCHEDULE_DELAY", SCHEDULE_DELAY_MS)
    return Delivery(signal, settings, queue_size), settings.flush_timeout_s, queue_size, batch_size, delay_ms


def _positive(variable: str, default: int) -> int:
    """A positive whole number of the environment."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() and int(text) > 0 else default


def _is_gen_ai(span: ReadableSpan) -> bool:
    """Whether this is a span of ours or a GenAI span of any dialect."""
    scope = span.instrumentation_scope
    if scope is not None and scope.name == names.SDK_SCOPE:
        return True
    return any(name.startswith(GEN_AI) for name in span.attributes or ())


def _end(processor: SpanExport | LogExport, delivery: Delivery, timeout_s: float) -> None:
    """Shut a processor down within that time. The public method waits thirty seconds for its worker."""
    remaining_s = delivery.remaining_s()
    if remaining_s is None:
        remaining_s = timeout_s
        delivery.close_by(time.monotonic() + timeout_s)
    processor._batch_processor.shutdown(timeout_millis=int((remaining_s + 0.2) * 1000))
