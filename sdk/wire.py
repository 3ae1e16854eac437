"""The OTLP exporters and the HTTP session under them. Heavy: imported by the first delivery, in its own thread."""

import email.utils
import encodings.idna  # noqa: F401 (which the first look-up of a host name would import, see delivery._MAKING)
import logging
import netrc  # noqa: F401 (which the first request would import)
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from thinkmeter.sdk.settings import DEFAULT_GRPC_ENDPOINT, Settings, signal_url

RETRYABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that say: not now. All others refuse for good."""
QUIET: Final = threading.local()


class Exporter(Protocol):
    """What the exporters of all signals and protocols have in common."""

    def export(self, batch: Any, /) -> Any:
        """Send one batch and say whether that went well."""

    def shutdown(self) -> None:
        """Close connections."""


class Answer:
    """What became of one batch that was sent once.

    Attributes:
        taken: the collector has it.
        again: it was not taken and may be taken later.
        after_s: pause before that, in seconds, where the collector named one.
        reason: why it was not taken.
        rejected: items of a taken batch that the collector threw away.
    """

    __slots__ = ("after_s", "again", "reason", "rejected", "taken")

    def __init__(
        self,
        *,
        taken: bool = False,
        again: bool = False,
        after_s: float | None = None,
        reason: str = "",
        rejected: int = 0,
    ) -> None:
        """Keep what was learned."""
        self.taken, self.again, self.after_s, self.reason, self.rejected = taken, again, after_s, reason, rejected


class _NotNow(Exception):
    """Ends the exporter's own attempts: pauses and repetitions are made by the delivery, which can be told to end."""


class Session(requests.Session):
    """The exporter's HTTP session, which remembers how the collector answered.

    The exporter gives up after ten seconds in all and says nothing about why. Here, one request is one attempt.
    """

    def __init__(self, signal: str, remaining_s: Callable[[], float | None]) -> None:
        """Serve one signal; `remaining_s` gives the seconds left while the process ends, else None."""
        super().__init__()
        self._signal = signal
        self._remaining_s = remaining_s
        self.answer: Answer | None = None

    def told(self) -> Answer | None:
        """The newest answer, once."""
        answer, self.answer = self.answer, None
        return answer

    def close(self) -> None:
        """Close connections. The library leaves that to finalizers, which no longer run while the interpreter ends."""
        for adapter in self.adapters.values():
            pools: Any = getattr(getattr(adapter, "poolmanager", None), "pools", {})
            for pool in [pools.get(key) for key in list(pools.keys())]:
                if pool is not None:
                    pool.close()
        super().close()

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send once."""
        remaining_s = self._remaining_s()
        if remaining_s is not None:
            kwargs["timeout"] = max(min(kwargs.get("timeout") or remaining_s, remaining_s), 0.05)
        try:
            response = super().request(*args, **kwargs)
        except requests.RequestException as error:
            self.answer = Answer(again=True, reason=f"{type(error).__name__}: {_cause(error)}")
            raise _NotNow(self.answer.reason) from None
        if 200 <= response.status_code < 300:
            self.answer = Answer(taken=True, rejected=_rejected(self._signal, response.content))
            return response
        reason = f"HTTP {response.status_code} {response.reason}"
        again = response.status_code in RETRYABLE
        self.answer = Answer(again=again, after_s=_pause_s(response.headers.get("retry-after")), reason=reason)
        if again:
            raise _NotNow(reason)
        return response


class Wire:
    """Sends batches of one signal: one exporter, one attempt per call."""

    def __init__(self, signal: str, settings: Settings, remaining_s: Callable[[], float | None]) -> None:
        """Build the exporter that settings and environment ask for."""
        self._session = Session(signal, remaining_s)
        self._exporter, self.endpoint = _exporter(signal, settings, self._session)

    def send(self, batch: Sequence[Any]) -> Answer:
        """Send a batch once and say what became of it."""
        QUIET.on = True
        try:
            result = self._exporter.export(batch)
        finally:
            QUIET.on = False
        answer = self._session.told()
        if answer is not None:
            return answer
        # Another protocol's exporter, which tells nothing but success; or a batch that cannot be encoded.
        succeeded = getattr(result, "name", "") == "SUCCESS"
        return Answer(taken=succeeded, reason="" if succeeded else "the exporter reported a failure")

    def close(self) -> None:
        """Close connections."""
        self._exporter.shutdown()


class _Quiet(logging.Filter):
    """Drops the exporter's own log lines while we send: the delivery says the same once, not once per attempt."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is someone else's."""
        return not getattr(QUIET, "on", False)


def _exporter(signal: str, settings: Settings, session: Session) -> tuple[Exporter, str]:
    """The exporter of that signal and the address it sends to."""
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else None
    protocol = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", ""
    )
    if protocol == "grpc":
        return _grpc_exporter(signal, settings, headers)
    url = signal_url(settings, signal)
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.http import trace_exporter

        logging.getLogger(trace_exporter.__name__).addFilter(_QUIET_FILTER)
        return trace_exporter.OTLPSpanExporter(endpoint=url, headers=headers, session=session), url
    from opentelemetry.exporter.otlp.proto.http import _log_exporter

    logging.getLogger(_log_exporter.__name__).addFilter(_QUIET_FILTER)
    return _log_exporter.OTLPLogExporter(endpoint=url, headers=headers, session=session), url


def _grpc_exporter(signal: str, settings: Settings, headers: Mapping[str, str] | None) -> tuple[Exporter, str]:
    """The gRPC exporter, where the application has installed it."""
    base = settings.endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_GRPC_ENDPOINT
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=base, headers=headers), base  # type: ignore[arg-type]
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    return OTLPLogExporter(endpoint=base, headers=headers), base  # type: ignore[arg-type]


def _pause_s(retry_after: str | None) -> float | None:
    """`Retry-After` (seconds or a date) in seconds; None: absent or unreadable."""
    if not retry_after:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        parsed = email.utils.parsedate_tz(retry_after)
        return None if parsed is None else max(email.utils.mktime_tz(parsed) - time.time(), 0.0)


def _rejected(signal: str, content: bytes) -> int:
    """Items that the collector says it threw away out of a batch it took."""
    if not content:
        return 0
    try:
        if signal == "traces":
            return ExportTraceServiceResponse.FromString(content).partial_success.rejected_spans
        return ExportLogsServiceResponse.FromString(content).partial_success.rejected_log_records
    except ValueError:  # some other server's idea of an answer
        return 0


def _cause(error: BaseException) -> str:
    """The innermost reason of a connection error, without the addresses of Python objects."""
    reason = error.args[0] if error.args else error
    reason = getattr(reason, "reason", reason)
    return str(reason).rpartition("object at 0x")[2].partition(": ")[2] or str(reason)


_QUIET_FILTER: Final = _Quiet()
