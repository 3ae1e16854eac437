"""`instrument()`: one line that makes every supported provider client measured, and its counterpart."""

import threading
from collections.abc import Iterable, Mapping
from typing import TypedDict, Unpack

from opentelemetry._logs import LoggerProvider
from opentelemetry.trace import TracerProvider

from thinkmeter.sdk.health import FAULTS, Health, SignalHealth, contained, warn
from thinkmeter.sdk.runtime import Runtime, activate, active
from thinkmeter.sdk.settings import read_settings

_lock = threading.Lock()


class Arguments(TypedDict, total=False):
    """Arguments of `instrument()` that are settings."""

    endpoint: str | None
    service_name: str | None
    api_key: str | None
    providers: Iterable[str] | None
    capture_content: bool | None
    capture_thinking: bool | None
    redact: Iterable[str] | None
    tiers: Mapping[str, int] | None
    max_thinking_tokens: int | Mapping[str, int] | None
    on_exceed: str | None
    stream_usage: bool | None


def instrument(
    *,
    endpoint: str | None = None,
    service_name: str | None = None,
    api_key: str | None = None,
    providers: Iterable[str] | None = None,
    capture_content: bool | None = None,
    tracer_provider: TracerProvider | None = None,
    tiers: Mapping[str, int] | None = None,
    max_thinking_tokens: int | Mapping[str, int] | None = None,
    on_exceed: str | None = None,
    stream_usage: bool | None = None,
    capture_thinking: bool | None = None,
    redact: Iterable[str] | None = None,
) -> None:
    """Measure every call of every supported provider client, made before or after, synchronous or not, streamed or not.

    Calling it again changes nothing until `uninstrument()`. Each argument left out is read from `THINKMETER_<NAME>`,
    then from the standard `OTEL_*` variable where there is one, else its default holds.

    Args:
        endpoint: base URL of the collector. Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, else `http://127.0.0.1:4318`.
            Where the application has a tracer provider of its own, spans go the way that it sends them; with an
            endpoint given, GenAI spans go there too.
        service_name: the application, resource attribute `service.name`; an application's own provider has its own.
        api_key: sent to the collector as a bearer token.
        providers: client libraries to wrap: `openai`, `anthropic`, `google_genai`, `groq`, ... Default: all.
        capture_content: whether prompts and answers are recorded. Secrets (keys, tokens, passwords) are taken out
            before they leave the process. Default: False.
        tracer_provider: whose spans these are. Default: the global one as soon as the application sets it.
        tiers: model glob -> tier, where the application does not say the tier, as `{"gpt-5-nano*": 1}`.
        max_thinking_tokens: cap on thinking, in tokens, or one for each task class: `{"sql": 16_000, "*": 4_000}`.
            Held against the provider's own budget parameter, and against thinking that a stream shows.
        on_exceed: above the cap `warn` (the default), `clamp` the budget and end the stream, or `raise`
            `ThinkingBudgetExceeded`.
        stream_usage: whether to ask for the usage of streams, where it comes on request only. Default: True.
        capture_thinking: whether, with `capture_content`, the text of thinking is recorded too. Default: False.
        redact: what else is taken out of recorded content: `emails`, `phone_numbers`, `card_numbers`, or regular
            expressions; in `THINKMETER_REDACT`, separated by spaces.
    """
    with contained("instrumenting"):
        begin(
            tracer_provider,
            endpoint=endpoint,
            service_name=service_name,
            api_key=api_key,
            providers=providers,
            capture_content=capture_content,
            tiers=tiers,
            max_thinking_tokens=max_thinking_tokens,
            on_exceed=on_exceed,
            stream_usage=stream_usage,
            capture_thinking=capture_thinking,
            redact=redact,
        )


def begin(
    tracer_provider: TracerProvider | None,
    logger_provider: LoggerProvider | None = None,
    **arguments: Unpack[Arguments],
) -> None:
    """Do as `instrument()`; a logger provider is for tests, which capture what would be sent."""
    with _lock:
        settings = read_settings(**arguments)
        present = active()
        if present is not None and present.settings != settings:
            warn("thinkmeter.instrument() was called again with other settings; the first ones hold")
        if present is not None or settings.disabled:
            return
        # Here, not above: `import thinkmeter` loads OpenTelemetry's API alone.
        from thinkmeter.sdk.export import Export
        from thinkmeter.sdk.providers import wrap

        runtime = Runtime(settings, Export(settings), tracer_provider, logger_provider)
        runtime.tracer()  # made here, so that the first call does not wait for it
        activate(runtime)
        wrap(settings.providers)


def uninstrument() -> None:
    """Undo `instrument()`: clients are as they were, and what waits is sent within the flush timeout."""
    with contained("removing the instrumentation"), _lock:
        runtime = active()
        if runtime is None:
            return
        from thinkmeter.sdk.providers import unwrap
        from thinkmeter.sdk.quota import reset

        unwrap()
        reset()
        activate(None)
        runtime.export.close()


def flush(timeout_s: float = 5.0) -> bool:
    """Send what waits, for at most that many seconds.

    Returns:
        True when everything handed over so far was taken by the collector.
    """
    runtime = active()
    if runtime is None:
        return True
    done = False
    with contained("flushing"):
        done = runtime.flush(timeout_s)
    return done


def health() -> Health:
    """What was sent, what waits, what was dropped and why, and the SDK's own faults."""
    runtime = active()
    spans = logs = SignalHealth()
    endpoint = None
    unmeasured: dict[str, str] = {}
    if runtime is not None:
        from thinkmeter.sdk.providers import UNMEASURED

        unmeasured = dict(UNMEASURED)
        endpoint = runtime.endpoint
        if runtime.export.logs is not None:
            logs = runtime.export.logs.delivery.health()
        if runtime.export.spans is not None:
            spans = runtime.export.spans.delivery.health()
    return Health(runtime is not None, endpoint, spans, logs, FAULTS.count, FAULTS.last, FAULTS.oddities, unmeasured)
