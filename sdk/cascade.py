"""The cascade pattern, run and recorded: try the cheapest rung, verify, go on to the next until an answer passes."""

import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.attempt import Attempt
from thinkmeter.sdk.request import Request
from thinkmeter.sdk.scope import current_scope
from thinkmeter.sdk.settings import TIERS
from thinkmeter.sdk.verdict import Verdict

A = TypeVar("A")

UNKNOWN_TASK: Final = "unknown"
"""Task class of a cascade that is called outside of a request and was given none."""


@dataclass(frozen=True, slots=True)
class Rung(Generic[A]):
    """One rung: how to answer, and what that is.

    Attributes:
        answer: makes an answer; called with what the cascade is called with. It may make many calls.
        tier: 1 fast, 2 balanced, 3 precision; None: by position, the fourth and later ones being 3.
        strategy: `greedy`, `best_of_n`, `self_consistency`, ... or your own.
        effort: reasoning effort, as the provider spells it.
    """

    answer: Callable[..., A]
    tier: int | None = None
    strategy: str | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class Step(Generic[A]):
    """One attempt of a cascade.

    Attributes:
        number: ordinal of the attempt in its request.
        tier: its tier.
        answer: what it answered; None where it failed.
        verdict: what the verifier said; None where it was not asked, or has no opinion.
        error: what it raised, where that was a reason to go on.
    """

    number: int | None
    tier: int | None
    answer: A | None
    verdict: Verdict | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Trail(Generic[A]):
    """What came of one run of a cascade.

    Attributes:
        answer: the final answer, of the first rung that passed, else of the last.
        request_id: names the request, for labels that come later; None: another service's, which is not known here.
        steps: every attempt, in order.
    """

    answer: A
    request_id: str | None
    steps: tuple[Step[A], ...]

    @property
    def passed(self) -> bool:
        """Whether the verifier let the final answer pass."""
        verdict = self.steps[-1].verdict
        return verdict is not None and verdict.passed is True

    @property
    def escalated(self) -> bool:
        """Whether the first rung was not enough."""
        return len(self.steps) > 1


class _Walk(Generic[A]):
    """Where one run of a cascade stands.

    Attributes:
        plan: the run.
        step: what is to be called next; None: nothing, the run is over.
        trail: what came of it, once it is over.
    """

    trail: Trail[A]

    def __init__(self, plan: Generator[Callable[[], Any], Any, Trail[A]]) -> None:
        """Begin."""
        self.plan = plan
        self.step: Callable[[], Any] | None = next(plan)

    def go_on(self, resume: Callable[[], Callable[[], Any]]) -> None:
        """Tell the plan what came of a step, and take the next."""
        try:
            self.step = resume()
        except StopIteration as end:
            self.step, self.trail = None, end.value


class Cascade(Generic[A]):
    """Made by `thinkmeter.cascade()`; called with a question, it gives the `Trail` to its answer."""

    def __init__(
        self,
        rungs: Sequence[Callable[..., A] | Rung[A]],
        verifier: Callable[..., Any],
        *,
        task: str | None,
        name: str | None,
        version: str | None,
        threshold: float | None,
        escalate_on: tuple[type[BaseException], ...],
        verify_last: bool,
    ) -> None:
        """See `thinkmeter.cascade()`."""
        if not rungs:
            raise ValueError("a cascade needs at least one rung")
        self._rungs = [rung if isinstance(rung, Rung) else Rung(rung) for rung in rungs]
        self._verifier = verifier
        self._task = task
        self._name = name or str(getattr(verifier, "__name__", type(verifier).__name__))
        self._version = version
        self._threshold = threshold
        self._escalate_on = escalate_on
        self._verify_last = verify_last

    def __call__(self, *args: Any, **kwargs: Any) -> Trail[A]:
        """Answer; the arguments go to each rung, and after its answer to the verifier.

        Raises:
            TypeError: a rung or the verifier is asynchronous.
        """
        walk: _Walk[A] = _Walk(self._plan(args, kwargs))
        while walk.step is not None:
            try:
                found = walk.step()
                if inspect.isawaitable(found):
                    if inspect.iscoroutine(found):
                        found.close()
                    raise TypeError("a rung or the verifier is asynchronous: call `await cascade.aio(...)`")
            except BaseException as error:  # noqa: BLE001 (it is the plan's, which lets it pass or goes on)
                walk.go_on(functools.partial(walk.plan.throw, error))
            else:
                walk.go_on(functools.partial(walk.plan.send, found))
        return walk.trail

    async def aio(self, *args: Any, **kwargs: Any) -> Trail[Any]:
        """The same where rungs, verifier or both are coroutine functions."""
        walk: _Walk[Any] = _Walk(self._plan(args, kwargs))
        while walk.step is not None:
            try:
                found = walk.step()
                if inspect.isawaitable(found):
                    found = await found
            except BaseException as error:  # noqa: BLE001 (also a cancellation: the plan ends its blocks)
                walk.go_on(functools.partial(walk.plan.throw, error))
            else:
                walk.go_on(functools.partial(walk.plan.send, found))
        return walk.trail

    def _plan(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[Callable[[], Any], Any, Trail[Any]]:
        """Yields what is to be called next, in the context to call it in; is sent, or thrown, what comes of it."""
        steps: list[Step[Any]] = []
        scope = current_scope()
        around: AbstractContextManager[Any] = nullcontext(scope.request)
        if scope.request is None and names.REQUEST_ID not in scope.attributes:
            around = Request(self._task or UNKNOWN_TASK)
        with around as request:
            for position, rung in enumerate(self._rungs, 1):
                last = position == len(self._rungs)
                tier = min(position, max(TIERS)) if rung.tier is None else rung.tier
                attempt = Attempt(request, tier=tier, strategy=rung.strategy, effort=rung.effort)
                try:
                    with attempt:
                        answer = yield functools.partial(rung.answer, *args, **kwargs)
                        verdict = None
                        if self._verify_last or not last:
                            with attempt.role("verifier"):
                                found = yield functools.partial(self._verifier, answer, *args, **kwargs)
                            verdict = self._record(attempt, found)
                except self._escalate_on as error:
                    steps.append(Step(attempt.number, attempt.tier, None, error=error))
                    if last:
                        raise
                    continue
                steps.append(Step(attempt.number, attempt.tier, answer, verdict))
                if verdict is not None and verdict.passed:
                    break
        return Trail(steps[-1].answer, request.id if request is not None else None, tuple(steps))

    def _record(self, attempt: Attempt, found: Any) -> Verdict | None:
        """What the verifier said, recorded."""
        if found is None:
            return None
        if isinstance(found, Verdict):
            return attempt.verdict(
                found.name,
                score=found.score,
                threshold=found.threshold,
                version=found.version,
                passed=found.judged,
            )
        if isinstance(found, bool):
            return attempt.verdict(self._name, passed=found, version=self._version)
        return attempt.verdict(self._name, score=float(found), threshold=self._threshold, version=self._version)


def cascade(
    rungs: Sequence[Callable[..., A] | Rung[A]],
    *,
    verifier: Callable[..., Any],
    task: str | None = None,
    name: str | None = None,
    version: str | None = None,
    threshold: float | None = None,
    escalate_on: tuple[type[BaseException], ...] = (),
    verify_last: bool = True,
) -> Cascade[A]:
    """Answer by the cheapest rung that a verifier lets pass, recorded as one request with an attempt per rung.

    Args:
        rungs: what to try, in order: functions, or `Rung`s that say tier, strategy and effort.
        verifier: called with the answer and then what the rung was called with. It gives True or False, a score
            (then `threshold` decides), a `Verdict`, or None where it has no opinion, which is no pass. Calls that it
            makes are costed as the verifier's.
        task: task class of the request; inside a `thinkmeter.request()`, that one's holds.
        name: the verifier's name; else that of the function.
        version: the verifier's version.
        threshold: the score from which on an answer passes.
        escalate_on: exceptions of a rung that are a reason to go on to the next; others, and the last rung's, pass.
        verify_last: whether the last rung's answer is judged too, though nothing can follow.

    Returns:
        The cascade. Call it, or await its `aio`, with the question; both give a `Trail`.

    Raises:
        ValueError: there are no rungs.
    """
    return Cascade(
        rungs,
        verifier,
        task=task,
        name=name,
        version=version,
        threshold=threshold,
        escalate_on=escalate_on,
        verify_last=verify_last,
    )
