"""History: requests that lie in the past, recorded through the SDK as an application replays its log."""

import datetime as dt
from collections.abc import Iterable
from typing import Final

import thinkmeter
from thinkmeter.demo.arrival import Tally
from thinkmeter.demo.plan import PlannedCall, PlannedRequest
from thinkmeter.demo.truth import Truth
from thinkmeter.schema import attributes as names
from thinkmeter.schema.errors import ThinkmeterError

FLUSH_EVERY: Final = 400
"""Requests; their spans fit the SDK's queue several times over."""
FLUSH_TIMEOUT_S: Final = 60.0


def send_history(requests: Iterable[PlannedRequest], truth: Truth, now: dt.datetime) -> Tally:
    """Record past requests with their times, each in the truth file first; how much there was of everything.

    Raises:
        ThinkmeterError: the collector did not take all of them within a minute.
    """
    sent = Tally()
    for request in requests:
        truth.write(request, live=False)
        _record(request, now)
        sent.add(request)
        if sent.requests % FLUSH_EVERY == 0:
            _flush()
    _flush()
    return sent


def _flush() -> None:
    if not thinkmeter.flush(timeout_s=FLUSH_TIMEOUT_S):
        said = thinkmeter.health()
        raise ThinkmeterError(
            f"the collector at {said.endpoint} did not take the demo's history: "
            f"{said.spans.last_error or said.logs.last_error or 'no answer within a minute'}"
        )


def _record(request: PlannedRequest, now: dt.datetime) -> None:
    with thinkmeter.request(
        request.task,
        user=request.user,
        session=request.session,
        request_id=request.request_id,
        start=request.start,
        end=request.end,
    ) as recorded:
        for planned in request.attempts:
            start, end = planned.calls[0].start, max(call.end for call in planned.calls)
            with recorded.attempt(
                tier=planned.tier, strategy=planned.strategy, effort=planned.effort, start=start, end=end
            ) as attempt:
                for call in planned.calls:
                    _record_call(attempt, call)
                if verdict := planned.verdict:
                    attempt.verdict(
                        verdict.verifier, score=verdict.score, threshold=verdict.threshold, version=verdict.version
                    )
    for label in request.labels:
        thinkmeter.label(
            request.request_id,
            correct=label.correct,
            attempt=label.attempt,
            source=label.source,
            labeler=label.labeler,
            sampling_probability=label.sampling_probability,
            time=min(request.end + dt.timedelta(seconds=label.delay_s), now),
        )


def _record_call(attempt: thinkmeter.Attempt, call: PlannedCall) -> None:
    told = call.error is None
    waited_s = min(1.0, call.duration_s / 4)
    thought_s = (call.duration_s - waited_s) * call.thinking_tokens / max(call.output_tokens, 1)
    attempt.record_call(
        provider=call.model.provider,
        model=call.model.name,
        input_tokens=call.input_tokens if told else None,
        output_tokens=call.output_tokens if told else None,
        thinking_tokens=call.told_thinking_tokens if told else None,
        cache_read_tokens=call.cache_read_tokens,
        cache_write_tokens=call.cache_write_tokens,
        cache_write_1h_tokens=call.cache_write_1h_tokens if told else None,
        start=call.start,
        end=call.end,
        response_id=call.response_id if told else None,
        error=call.error,
        role=None if call.role == "answer" else call.role,
        sample=call.sample,
        phase=call.phase,
        effort=call.effort,
        budget_tokens=call.budget_tokens,
        service_tier=call.service_tier if told else None,
        stream=call.stream,
        time_to_first_chunk=waited_s if told and call.stream else None,
        time_to_first_answer=waited_s + thought_s if told and call.stream else None,
        **({names.REFLECTION_RATIO: call.reflection_ratio} if call.thought else {}),
    )
