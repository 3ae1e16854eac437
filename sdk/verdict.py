"""Verdicts of verifiers and labels of ground truth: OTLP log records named `gen_ai.evaluation.result`."""

from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.clock import Time, nanoseconds, now_ns
from thinkmeter.sdk.health import contained, warn
from thinkmeter.sdk.runtime import active
from thinkmeter.sdk.scope import Scope
from thinkmeter.sdk.values import known

LABEL_SOURCES = ("human", "reference", "test")
"""Who says so: a person, a comparison with a reference answer, a test run."""
CARRIED = (names.REQUEST_ID, names.ATTEMPT, names.SAMPLE, names.TASK, names.TIER, names.USER_ID, names.SESSION_ID)
"""Attributes of the scope that a verdict needs to be joined and, for user and session, forgotten."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of an attempt.

    Attributes:
        name: the verifier.
        score: its score.
        threshold: the score from which on an answer passes.
        version: the verifier's version.
        judged: the judgement that was given outright, if any.
        sample: index of the one sample judged; None: the attempt as a whole.
    """

    name: str
    score: float | None = None
    threshold: float | None = None
    version: str | None = None
    judged: bool | None = None
    sample: int | None = None

    @property
    def passed(self) -> bool | None:
        """The judgement: as given, else `score >= threshold`, else None."""
        if self.judged is not None:
            return self.judged
        if self.score is None or self.threshold is None:
            return None
        return self.score >= self.threshold


def send_verdict(verdict: Verdict, scope: Scope, ctx: Context, time: Time | None, moment_ns: int | None) -> None:
    """Emit a verdict about the attempt of that scope."""
    carried = {name: scope.attributes.get(name) for name in CARRIED}
    own: dict[str, AttributeValue | None] = {
        names.EVALUATION_NAME: verdict.name,
        names.EVALUATION_KIND: "verifier",
        names.EVALUATION_SCORE_VALUE: None if verdict.score is None else float(verdict.score),
        names.EVALUATION_SCORE_LABEL: _label(verdict.passed),
        names.VERDICT_THRESHOLD: None if verdict.threshold is None else float(verdict.threshold),
        names.VERIFIER_VERSION: verdict.version,
    }
    if verdict.sample is not None:
        own[names.SAMPLE] = verdict.sample
    _emit(known({**carried, **own}), ctx, nanoseconds(time) or moment_ns)


def label(
    request_id: str,
    *,
    correct: bool,
    attempt: int | None = None,
    source: str = "human",
    labeler: str | None = None,
    sampling_probability: float | None = None,
    time: Time | None = None,
) -> None:
    """Record the ground truth about an answer, any time later and from any process.

    Args:
        request_id: the request, `Request.id`.
        correct: whether the answer was right.
        attempt: ordinal of the attempt meant; None: the one whose answer the user got.
        source: `human`, `reference` or `test`.
        labeler: who labelled.
        sampling_probability: with which this answer was chosen for labelling, where some are likelier than others.
        time: when, if it lies in the past; of several labels the newest holds.
    """
    with contained("recording a label"):
        if source not in LABEL_SOURCES:
            warn("label source %r is none of %s", source, ", ".join(LABEL_SOURCES))
        own: dict[str, AttributeValue | None] = {
            names.EVALUATION_NAME: "correct",
            names.EVALUATION_KIND: "ground_truth",
            names.EVALUATION_SCORE_VALUE: 1.0 if correct else 0.0,
            names.EVALUATION_SCORE_LABEL: _label(bool(correct)),
            names.REQUEST_ID: str(request_id),
            names.ATTEMPT: attempt,
            names.LABEL_SOURCE: source,
            names.LABEL_BY: labeler,
            names.LABEL_SAMPLING_PROBABILITY: sampling_probability,
        }
        # No span: the label is about a request that may long be over, not about the code that records it.
        _emit(known(own), trace.set_span_in_context(trace.INVALID_SPAN), nanoseconds(time))


def _label(passed: bool | None) -> str | None:
    """The words that the conventions leave to us."""
    return None if passed is None else "pass" if passed else "fail"


def _emit(attributes: dict[str, AttributeValue], ctx: Context, at_ns: int | None) -> None:
    """Hand the event over."""
    runtime = active()
    if runtime is None:
        warn("verdicts and labels are recorded after thinkmeter.instrument() only")
        return
    now = now_ns()
    runtime.logger().emit(
        LogRecord(
            timestamp=at_ns or now,
            observed_timestamp=now,
            context=ctx,
            event_name=names.EVALUATION_EVENT,
            attributes=attributes,
        )
    )
