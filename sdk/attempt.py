"""An attempt: one try to answer a request at one tier, judged by verdicts."""

from typing import TYPE_CHECKING, Any, Self

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.block import Entity, Part
from thinkmeter.sdk.clock import Time
from thinkmeter.sdk.health import contained
from thinkmeter.sdk.record import record
from thinkmeter.sdk.scope import Scope, current_scope
from thinkmeter.sdk.values import known, valid_tier
from thinkmeter.sdk.verdict import Verdict, send_verdict

if TYPE_CHECKING:
    from thinkmeter.sdk.request import Request


class Attempt(Entity):
    """Made by `Request.attempt()` or `thinkmeter.attempt()`.

    Attributes:
        request: the request that it answers; None: made outside of one.
        tier: 1 fast, 2 balanced, 3 precision; None: not said.
        number: ordinal in its request, from 1; known from the start of the attempt.
    """

    def __init__(
        self,
        request: "Request | None",
        *,
        tier: int | None = None,
        strategy: str | None = None,
        effort: str | None = None,
        number: int | None = None,
        start: Time | None = None,
        end: Time | None = None,
        attributes: dict[str, AttributeValue] | None = None,
    ) -> None:
        """See `Request.attempt()`."""
        super().__init__(start, end)
        self._given = {
            "tier": tier,
            "strategy": strategy,
            "effort": effort,
            "number": number,
            "start": start,
            "end": end,
            "attributes": attributes,
        }
        self.request = request
        self.tier = valid_tier(tier)
        self.number = number
        self._strategy = strategy
        self._effort = effort
        self._attributes = attributes or {}

    def verdict(
        self,
        name: str,
        *,
        score: float | None = None,
        threshold: float | None = None,
        version: str | None = None,
        passed: bool | None = None,
        sample: int | None = None,
        time: Time | None = None,
    ) -> Verdict:
        """Record what a verifier says of this attempt.

        Args:
            name: the verifier.
            score: its score.
            threshold: the score from which on an answer passes.
            version: the verifier's version.
            passed: its judgement, where it is not `score >= threshold`.
            sample: index of the one sample judged, where it is not the attempt as a whole.
            time: when, if it lies in the past.

        Returns:
            The verdict; its `passed` is None where neither `passed` nor score and threshold are given.
        """
        verdict = Verdict(name, score, threshold, version, passed, sample)
        with contained("recording a verdict"):
            send_verdict(verdict, self._scope_now(), self.context(), time, self.moment_ns)
        return verdict

    def record_call(
        self,
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
        **attributes: Any,
    ) -> None:
        """Record a call of this attempt that no wrapper sees. Arguments as for `thinkmeter.record_call()`."""
        with contained("recording a call"):
            ended_ns = record(
                self.context(),
                self._scope_now(),
                self.moment_ns,
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
                attributes={"effort": self._effort, **attributes},
            )
            self.happened(ended_ns)

    def role(self, role: str) -> Part:
        """Mark calls that are not the answer itself: `verifier`, `router`. A context manager and decorator."""
        return Part(self, {names.ROLE: role})

    def sample(self, index: int) -> Part:
        """Mark the calls of one sample or branch, from 0. Also to be entered in worker threads of best-of-N."""
        return Part(self, {names.SAMPLE: index})

    def phase(self, phase: str) -> Part:
        """Mark a phase of an agent: `planning`, `tool_selection`, `interpretation`, `recovery`, or your own."""
        return Part(self, {names.PHASE: phase})

    def happened(self, at_ns: int) -> None:
        """Take note of the end of something inside, also for the request."""
        super().happened(at_ns)
        if self.request is not None:
            self.request.happened(at_ns)

    def _again(self) -> Self:
        return type(self)(self.request, **self._given)  # type: ignore[arg-type]

    def _holds(self, scope: Scope) -> bool:
        return scope.attempt is self

    def _scope_now(self) -> Scope:
        """The running code's scope, where it lies in this attempt; else the attempt's own."""
        here = current_scope()
        return here if self._holds(here) else current_scope(self._context) if self._context else self._scope(here)

    def _scope(self, here: Scope) -> Scope:
        """The scope inside this attempt."""
        outside = self.request.scope if self.request is not None and not self.request._holds(here) else here
        own = {
            **self._attributes,
            names.ATTEMPT: self.number,
            names.TIER: self.tier,
            names.STRATEGY: self._strategy,
        }
        return Scope(known({**outside.attributes, **own}), self.request or here.request, self)

    def _close(self, error: BaseException | None) -> None:
        super()._close(error)
        if self.request is not None and self.moment_ns is not None:
            self.request.happened(self.moment_ns)

    def _open(self) -> Context:
        parent = context.get_current() if self.request is None else self.request.context()
        here = current_scope(parent)
        if self.request is None:
            self.request = here.request
        if self.number is None:
            if self.request is not None:
                self.number = self.request.next_ordinal()
            else:
                brought = here.attributes.get(names.ATTEMPT)
                self.number = brought + 1 if isinstance(brought, int) else 1
        own: dict[str, AttributeValue | None] = {
            names.ENTITY: "attempt",
            names.REQUEST_REASONING_LEVEL: self._effort,
        }
        name = "attempt" if self.tier is None else f"attempt {self.tier}"
        return self._begin(name, self._scope(here), parent, known(own))


def attempt(
    *,
    tier: int | None = None,
    strategy: str | None = None,
    effort: str | None = None,
    number: int | None = None,
    start: Time | None = None,
    end: Time | None = None,
    **attributes: AttributeValue,
) -> Attempt:
    """An attempt of the request that the running code is in; for decorators, which are written before there is one.

    Arguments as for `Request.attempt()`.
    """
    return Attempt(
        None, tier=tier, strategy=strategy, effort=effort, number=number, start=start, end=end, attributes=attributes
    )


def current_attempt() -> Attempt | None:
    """The attempt of this process that the running code is in."""
    return current_scope().attempt
