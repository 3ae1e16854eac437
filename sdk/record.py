"""Calls that no wrapper sees: the application's own HTTP client, a self-hosted model, a log that is replayed."""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.clock import Time, nanoseconds, now_ns
from thinkmeter.sdk.health import contained, warn
from thinkmeter.sdk.runtime import active
from thinkmeter.sdk.scope import Scope, current_scope
from thinkmeter.sdk.span import finish
from thinkmeter.sdk.values import known, valid_tier

SHORT: Final = {
    "attempt": names.ATTEMPT,
    "budget_tokens": names.THINKING_BUDGET_TOKENS,
    "cache_write_1h_tokens": names.CACHE_WRITE_1H_TOKENS,
    "conversation": names.CONVERSATION_ID,
    "effort": names.REQUEST_REASONING_LEVEL,
    "finish_reason": names.RESPONSE_FINISH_REASONS,
    "max_tokens": names.REQUEST_MAX_TOKENS,
    "operation": names.OPERATION_NAME,
    "phase": names.PHASE,
    "reflection_ratio": names.REFLECTION_RATIO,
    "response_model": names.RESPONSE_MODEL,
    "role": names.ROLE,
    "sample": names.SAMPLE,
    "sampling_probability": names.SAMPLING_PROBABILITY,
    "service_tier": names.SERVICE_TIER,
    "session": names.SESSION_ID,
    "strategy": names.STRATEGY,
    "stream": names.REQUEST_STREAM,
    "thinking_source": names.THINKING_SOURCE,
    "time_to_first_answer": names.TIME_TO_FIRST_ANSWER,
    "time_to_first_chunk": names.TIME_TO_FIRST_CHUNK,
    "usage_raw": names.USAGE_RAW,
    "user": names.USER_ID,
}
"""Short names of further attributes of `record_call`; every other name is an attribute as it stands."""


def record(
    ctx: Context,
    scope: Scope,
    moment_ns: int | None,
    *,
    provider: str,
    model: str,
    input_tokens: int | None,
    output_tokens: int | None,
    thinking_tokens: int | None,
    cache_read_tokens: int,
    cache_write_tokens: int,
    start: Time | None,
    end: Time | None,
    response_id: str | None,
    cost_usd: float | None,
    error: str | BaseException | None,
    attributes: Mapping[str, Any],
) -> int:
    """Emit the span of a call within that scope, and give its end in nanoseconds since the epoch.

    A call without times ended at `moment_ns`, or now; a call with one of them took no time.
    """
    start_ns, end_ns = nanoseconds(start), nanoseconds(end)
    end_ns = end_ns or start_ns or moment_ns or now_ns()
    start_ns = min(start_ns or end_ns, end_ns)
    runtime = active()
    if runtime is None:
        warn("calls are recorded after thinkmeter.instrument() only")
        return end_ns
    further = known({SHORT.get(name, name): value for name, value in attributes.items()})
    reasons = further.get(names.RESPONSE_FINISH_REASONS)
    if isinstance(reasons, str):
        further[names.RESPONSE_FINISH_REASONS] = (reasons,)
    operation = str(further.get(names.OPERATION_NAME, "chat"))
    own: dict[str, AttributeValue | None] = {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: provider,
        names.REQUEST_MODEL: model,
        names.INPUT_TOKENS: input_tokens,
        names.OUTPUT_TOKENS: output_tokens,
        names.REASONING_OUTPUT_TOKENS: thinking_tokens,
        names.THINKING_SOURCE: "missing" if thinking_tokens is None else "provider",
        names.CACHE_READ_INPUT_TOKENS: cache_read_tokens if input_tokens is not None else None,
        names.CACHE_WRITE_INPUT_TOKENS: cache_write_tokens if input_tokens is not None else None,
        names.RESPONSE_ID: response_id,
        names.USAGE_COST_USD: None if cost_usd is None else float(cost_usd),
        names.ERROR_TYPE: error if error is None or isinstance(error, str) else type(error).__qualname__,
    }
    merged = {**scope.attributes, **known(own), **further}
    if names.TIER not in merged:
        mapped = runtime.tier_of(model)
        if mapped is not None:
            merged[names.TIER] = mapped
    starter = runtime.starter()
    kept = starter.kept(ctx)
    if kept is not None:
        merged.setdefault(names.SAMPLING_PROBABILITY, kept)
    span = starter.start(f"{operation} {model}", ctx, SpanKind.CLIENT, merged, start_ns)
    finish(span, {}, failed=error is not None, end_ns=end_ns)
    return end_ns


def record_call(
    *,
    provider: str,
    model: str,
    input_tokens: int | None,
    output_tokens: int | None,
    thinking_tokens: int | None = None,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    start: Time | None = None,
    end: Time | None = None,
    response_id: str | None = None,
    cost_usd: float | None = None,
    error: str | BaseException | None = None,
    task: str | None = None,
    request_id: str | None = None,
    tier: int | None = None,
    attempt: int | None = None,
    **attributes: Any,
) -> None:
    """Record a call that no wrapper sees, in whatever request the code is in, or in the one named.

    Args:
        provider: `openai`, `anthropic`, `gcp.gemini`, ... or your own.
        model: the model asked for.
        input_tokens: all input, cached input included; None: unknown.
        output_tokens: all billed output, thinking included; None: unknown.
        thinking_tokens: the thinking share of the output; None: unknown, which is not 0.
        cache_read_tokens: the part of the input that was read from the provider's cache.
        cache_write_tokens: the part of the input that was written to it.
        start: when the call began, a `datetime` or seconds since the epoch, also in the past.
        end: when it ended.
        response_id: the provider's id of the response.
        cost_usd: what the provider itself says it cost, in USD.
        error: what ended a failed call, an exception or its class name.
        task: task class of the request, outside of a `request` block.
        request_id: the request, outside of a `request` block.
        tier: 1 fast, 2 balanced, 3 precision.
        attempt: ordinal of the attempt in its request.
        **attributes: `effort`, `budget_tokens`, `role`, `sample`, `strategy`, `phase`, `finish_reason`,
            `service_tier`, `user`, `session`, `response_model`, `thinking_source`, `time_to_first_chunk` and
            `time_to_first_answer` (seconds), ... see `SHORT`; any other name is an attribute as it stands.
    """
    with contained("recording a call"):
        named = {names.TASK: task, names.REQUEST_ID: request_id, names.TIER: valid_tier(tier), names.ATTEMPT: attempt}
        scope = current_scope()
        around = scope.attempt or scope.request
        ended_ns = record(
            context.get_current(),
            scope,
            None if around is None else around.moment_ns,
            provider=provider,
            model=model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            thinking_tokens=thinking_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            start=start,
            end=end,
            response_id=response_id,
            cost_usd=cost_usd,
            error=error,
            attributes={**attributes, **known(named)},
        )
        if around is not None:
            around.happened(ended_ns)
