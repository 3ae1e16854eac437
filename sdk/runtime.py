"""What `instrument()` set up and everything else asks for: whose tracer, whose logger, which settings."""

import fnmatch
import functools
import threading
from typing import TYPE_CHECKING

from opentelemetry import _logs, trace
from opentelemetry._logs import Logger, LoggerProvider
from opentelemetry.context import Context
from opentelemetry.trace import ProxyTracerProvider, Tracer, TracerProvider

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.settings import Settings, signal_url

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from thinkmeter.sdk.export import Export
    from thinkmeter.sdk.start import Starter


class Runtime:
    """One life between `instrument()` and `uninstrument()`.

    The application's own tracer provider is used as soon as there is one, set before `instrument()` or after it. Until
    then a private one serves, which is never made the global one: OpenTelemetry lets that be set once only, and
    the application may yet want to.
    """

    def __init__(
        self,
        settings: Settings,
        export: "Export",
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        """Hold the settings; the providers are those that the caller wants, None: the global ones or private ones."""
        self.settings = settings
        self.export = export
        self._given = tracer_provider
        self._logger_provider = logger_provider
        self._lock = threading.Lock()
        self._joined: list[TracerProvider] = []
        self._provider: TracerProvider | None = None
        self._private: TracerProvider | None = None
        self._logger: Logger | None = None
        self._starter: Starter | None = None
        self.tier_of = functools.lru_cache(maxsize=1024)(self._tier_of)

    def starter(self) -> "Starter":
        """What starts our spans, by the tracer provider that holds now."""
        provider = self._given or trace.get_tracer_provider()
        if self._starter is None or provider is not self._provider:
            with self._lock:
                self._starter = self._join(provider)
                self._provider = provider
        return self._starter

    def tracer(self) -> Tracer:
        """The tracer for our spans."""
        return self.starter().tracer

    def logger(self) -> Logger:
        """The logger for verdicts and labels: the application's where it exports by itself, else a private one."""
        if self._logger is None:
            provider = self._logger_provider or _logs.get_logger_provider()
            exports = hasattr(provider, "add_log_record_processor")  # a proxy, or one that does nothing, has none
            if self._logger_provider is None and (self.settings.endpoint is not None or not exports):
                provider = self.export.logger_provider(self._resource())
            self._logger = provider.get_logger(names.SDK_SCOPE, self._version())
        return self._logger

    def flush(self, timeout_s: float) -> bool:
        """Send what waits, here and in the application's own providers, which may hold spans of ours."""
        held = [*self._joined, self._logger_provider or _logs.get_logger_provider()]
        return self.export.flush(timeout_s, [holder for holder in held if hasattr(holder, "force_flush")])

    @property
    def endpoint(self) -> str | None:
        """Where we send spans; None: the application's own provider sends them."""
        if self.settings.endpoint is None and (self._given or self._joined):
            return None
        return signal_url(self.settings, "traces")

    def _join(self, provider: TracerProvider) -> "Starter":
        """Starts spans of that provider, which gains our processors; of the private one, where it is none."""
        from thinkmeter.sdk.start import Starter  # which loads the OpenTelemetry SDK

        if isinstance(provider, ProxyTracerProvider):
            if self._private is None:
                self._private = self.export.tracer_provider()
            provider = self._private
        elif not any(provider is joined for joined in self._joined):
            self._joined.append(provider)
            add = getattr(provider, "add_span_processor", None)
            if add is not None:
                self.export.stamp(provider)
                if self.settings.endpoint is not None:
                    add(self.export.span_export())
        tracer = provider.get_tracer(names.SDK_SCOPE, self._version())
        return Starter(tracer, getattr(provider, "sampler", None))

    def _resource(self) -> "Resource | None":
        """What the application's own provider says of this process; None: there is none."""
        return getattr(self._provider, "resource", None)

    def _version(self) -> str:
        """The version of this SDK."""
        from thinkmeter.sdk.export import sdk_version

        return sdk_version()

    def _tier_of(self, model: str) -> int | None:
        """The tier of a model by the settings' globs; None: none fits."""
        tiers = self.settings.tiers
        return next((tier for glob, tier in tiers.items() if fnmatch.fnmatchcase(model, glob)), None)


_active: Runtime | None = None


def active() -> Runtime | None:
    """What `instrument()` set up; None: nothing holds."""
    return _active


def measuring(ctx: Context) -> Runtime | None:
    """The same for calls of client libraries in that context; None also where it suppresses instrumentation."""
    return None if ctx and ctx.get("suppress_instrumentation") else _active


def activate(runtime: Runtime | None) -> None:
    """Let a runtime hold, or none."""
    global _active
    _active = runtime
