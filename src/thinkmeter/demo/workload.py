"""The seeded workload: the same seed and the same begin give the same requests, to the token."""

import bisect
import dataclasses
import datetime as dt
import math
import random
from collections.abc import Iterator
from typing import Final

from thinkmeter.demo.plan import (
    Model,
    PlannedAttempt,
    PlannedCall,
    PlannedLabel,
    PlannedRequest,
    PlannedVerdict,
    Role,
)
from thinkmeter.demo.tasks import TASKS, Rung, TaskClass
from thinkmeter.demo.thoughts import thought

HISTORY: Final = dt.timedelta(days=8)
# A request settles five minutes after its last call, and the longest takes a quarter of an hour.
QUIET: Final = dt.timedelta(minutes=25)
RUNAWAY_FACTOR: Final = 26
MOST_THINKING_TOKENS: Final = 64_000

_USERS: Final = 48
_SLOPE: Final = 4.0  # log-odds lost from the easiest to the hardest request
_FIXED_PROMPT_SHARE: Final = 0.75  # of the input that is the same for every request of a class
_FAIL_ESCALATES: Final = 0.95
_RETRIED_IN_TIER: Final = 0.04
_NO_VERDICT: Final = 0.02
_REFUSED_ONCE: Final = 0.015
_FAILED_FIRST: Final = 0.006
_RUNAWAY: Final = 0.001


@dataclasses.dataclass(frozen=True, slots=True)
class Workload:
    """Requests by number; `begin` is when the history begins, eight days before traffic is live."""

    seed: int
    begin: dt.datetime

    @property
    def prefix(self) -> str:
        """What the ids of all its requests begin with, and of no other workload's."""
        return f"req-{self.key}"

    @property
    def key(self) -> str:
        """Of this workload, in every id that it makes."""
        return f"{int(self.begin.timestamp()):x}{self.seed:04x}"

    @property
    def live_from(self) -> dt.datetime:
        """When the history is over."""
        return self.begin + HISTORY

    def history(self, requests: int) -> Iterator[PlannedRequest]:
        """Requests 0 to `requests` in the order of their start, busy hours busier, all settled by `live_from`."""
        source = random.Random(f"{self.seed} arrivals")
        last = self.live_from - QUIET
        hours = [self.begin + dt.timedelta(hours=h) for h in range(math.ceil((last - self.begin) / _HOUR))]
        arrivals = []
        for task in source.choices(TASKS, [t.share for t in TASKS], k=requests):
            weights = [_busyness(task, hour) for hour in hours]
            [hour] = source.choices(hours, weights)
            at = hour + source.random() * min(_HOUR, last - hour)
            arrivals.append((at, task))
        arrivals.sort(key=lambda arrival: arrival[0])
        for number, (at, task) in enumerate(arrivals):
            yield self.request(number, task, at)

    def live_task(self, number: int, at: dt.datetime) -> TaskClass:
        """The class of a live request, by how busy each is at that hour."""
        source = random.Random(f"{self.seed} live {number}")
        [task] = source.choices(TASKS, [t.share * _busyness(t, at) for t in TASKS])
        return task

    def request(self, number: int, task: TaskClass, at: dt.datetime, *, runaway: bool = False) -> PlannedRequest:
        """Everything that request `number` will do when it comes at `at`."""
        return _Request(self, number, task, at, runaway).planned()


class _Request:
    """The dice of one request."""

    def __init__(self, workload: Workload, number: int, task: TaskClass, at: dt.datetime, runaway: bool) -> None:
        self._dice = random.Random(f"{workload.seed} request {number}")
        self._musing = random.Random(f"{workload.seed} thought {number}")
        self._task = task
        self._now = at
        self._days = (at - workload.begin) / dt.timedelta(days=1)
        self._later = at >= workload.begin + HISTORY / 2
        self._key = f"{workload.key}{number:06x}"
        self._responses = 0
        self._difficulty = self._dice.betavariate(*task.difficulty)
        self._runaway = self._dice.random() < _RUNAWAY or runaway

    def planned(self) -> PlannedRequest:
        dice = self._dice
        user = bisect.bisect(_USER_WEIGHTS, dice.random() * _USER_WEIGHTS[-1])
        half_day = f"{self._now:%m%d}{'a' if self._now.hour < 12 else 'p'}"
        attempts = tuple(self._attempts())
        escalated = attempts[-1].tier > attempts[0].tier
        asked = self._task.labelled_escalated if escalated else self._task.labelled
        return PlannedRequest(
            request_id=f"req-{self._key}",
            task=self._task.name,
            user=f"user-{user:02d}",
            session=f"session-{user:02d}-{half_day}",
            difficulty=round(self._difficulty, 4),
            runaway=self._runaway,
            attempts=attempts,
            labels=tuple(self._label(a, asked) for a in attempts) if dice.random() < asked else (),
        )

    def _attempts(self) -> Iterator[PlannedAttempt]:
        dice = self._dice
        tier = 1
        if self._runaway or (self._difficulty > 0.6 and dice.random() < self._task.routed_higher):
            tier = 2 if self._difficulty < 0.9 else 3
        for number in range(1, 5):
            attempt = self._attempt(number, tier)
            yield attempt
            verdict = attempt.verdict
            if tier == 3 or (verdict.passed if verdict else dice.random() < 0.5):
                return
            chance = dice.random()
            if chance > _FAIL_ESCALATES:
                return
            tier += 0 if tier == 1 and number == 1 and chance < _RETRIED_IN_TIER else 1

    def _attempt(self, number: int, tier: int) -> PlannedAttempt:
        dice, task = self._dice, self._task
        rung = task.rungs[tier - 1]
        model = (rung.later_model if self._later else None) or rung.model
        calls = self._answers(rung, model)
        thinking = sum(c.thinking_tokens for c in calls) / len(rung.phases or range(rung.samples))
        self._now = max(c.end for c in calls) + dt.timedelta(milliseconds=dice.randint(20, 120))
        correct = dice.random() < self._chance(rung, thinking)
        verdict = None
        if dice.random() >= _NO_VERDICT:
            if task.verifier.judge:
                judge_call = self._judgement(task.verifier.judge, calls[-1])
                calls.append(judge_call)
                self._now = judge_call.end + dt.timedelta(milliseconds=dice.randint(5, 30))
            verdict = self._verdict(correct)
        return PlannedAttempt(number, tier, rung.strategy, rung.effort, tuple(calls), verdict, correct)

    def _chance(self, rung: Rung, thinking: float) -> float:
        """Of a right answer: harder is worse, more thinking is better up to the knee and worse beyond."""
        odds = rung.skill - _SLOPE * (self._difficulty - 0.5)
        if rung.thinking_tokens:
            usual = rung.thinking_tokens * math.exp(_GROWTH * (self._difficulty - 0.5))
            odds += 0.3 * max(-2.0, min(2.0, math.log2((thinking + 1) / usual)))
            odds -= 1.1 * max(0.0, math.log2((thinking + 1) / self._task.knee_tokens))
        return 1 / (1 + math.exp(-odds))

    def _thinking(self, rung: Rung) -> int:
        """Tokens of one sample: log-normal, more for what is harder, now and then far more, up to the budget."""
        if not rung.thinking_tokens:
            return 0
        dice = self._dice
        median = rung.thinking_tokens * math.exp(_GROWTH * (self._difficulty - 0.5))
        tokens = dice.lognormvariate(math.log(median), 0.55)
        if dice.random() < 0.02:
            tokens *= dice.paretovariate(2.2)
        if self._runaway:
            # also past the budget, as providers take it for a target
            tokens = rung.thinking_tokens * RUNAWAY_FACTOR * dice.uniform(1.0, 1.6)
            return min(int(tokens), MOST_THINKING_TOKENS // max(len(rung.phases), 1))
        return max(32, min(int(tokens), rung.budget_tokens or MOST_THINKING_TOKENS))

    def _answers(self, rung: Rung, model: Model) -> list[PlannedCall]:
        """The calls of an attempt that answer: samples at the same time, or phases one after another."""
        if not rung.phases:
            samples = range(rung.samples) if rung.samples > 1 else [None]
            return [call for sample in samples for call in self._answer(rung, model, sample=sample)]
        calls: list[PlannedCall] = []
        for phase in rung.phases:
            calls += self._answer(rung, model, phase=phase)
            self._now = calls[-1].end + dt.timedelta(milliseconds=self._dice.randint(30, 400))
        return calls

    def _answer(
        self, rung: Rung, model: Model, *, sample: int | None = None, phase: str | None = None
    ) -> list[PlannedCall]:
        """One call of an attempt, after a failed one now and then."""
        dice, task = self._dice, self._task
        fixed = int(task.input_tokens * _FIXED_PROMPT_SHARE)
        fresh = max(40, int(dice.lognormvariate(math.log(task.input_tokens - fixed), 0.4)))
        read = write = write_1h = 0
        if dice.random() < task.cached:
            read = fixed
        elif model.provider == "anthropic":
            write = fixed
            write_1h = fixed if dice.random() < 0.3 else 0
        thinking = self._thinking(rung)
        answer = max(8, int(dice.lognormvariate(math.log(task.answer_tokens), 0.35)))
        call = self._call(
            model,
            "answer",
            input_tokens=fixed + fresh,
            cache_read_tokens=read,
            cache_write_tokens=write,
            cache_write_1h_tokens=write_1h,
            thinking_tokens=thinking,
            answer_tokens=answer,
            sample=sample,
            phase=phase,
            effort=rung.effort,
            budget_tokens=rung.budget_tokens if rung.thinking_tokens else None,
            service_tier=rung.service_tier if model.name != "gpt-oss-120b" else "standard",
            stream=dice.random() < 0.5,
            refusals=int(dice.random() < _REFUSED_ONCE),
            shown=thought(self._musing, task, rung, model, self._difficulty, thinking),
        )
        if dice.random() >= _FAILED_FIRST:
            return [call]
        failed = dataclasses.replace(
            call,
            response_id=self._response_id(model),
            duration_s=0.2,
            output_tokens=0,
            thinking_tokens=0,
            thought=(),
            refusals=0,
            error="overloaded",
        )
        return [failed, dataclasses.replace(call, start=failed.end + dt.timedelta(milliseconds=200))]

    def _judgement(self, judge: Model, judged: PlannedCall) -> PlannedCall:
        return self._call(
            judge,
            "verifier",
            input_tokens=320 + self._task.input_tokens // 4 + judged.output_tokens - judged.thinking_tokens,
            thinking_tokens=0,
            answer_tokens=self._dice.randint(9, 40),
            effort="none" if judge.provider == "openai" else None,
        )

    def _call(
        self,
        model: Model,
        role: Role,
        *,
        input_tokens: int,
        thinking_tokens: int,
        answer_tokens: int,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        sample: int | None = None,
        phase: str | None = None,
        effort: str | None = None,
        budget_tokens: int | None = None,
        service_tier: str = "standard",
        stream: bool = False,
        refusals: int = 0,
        shown: tuple[bool, ...] = (),
    ) -> PlannedCall:
        output = thinking_tokens + answer_tokens
        waiting_s = self._dice.uniform(0.15, 0.45) + input_tokens / 40_000
        return PlannedCall(
            response_id=self._response_id(model),
            model=model,
            role=role,
            start=self._now,
            duration_s=round(waiting_s + output / (model.tokens_per_s * self._dice.uniform(0.8, 1.2)), 3),
            input_tokens=input_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            cache_write_1h_tokens=cache_write_1h_tokens,
            output_tokens=output,
            thinking_tokens=thinking_tokens,
            sample=sample,
            phase=phase,
            effort=effort,
            budget_tokens=budget_tokens,
            service_tier=service_tier,
            stream=stream,
            refusals=refusals,
            thought=shown,
        )

    def _response_id(self, model: Model) -> str:
        self._responses += 1
        return f"{_RESPONSE_PREFIX[model.api]}{self._key}{self._responses:02x}"

    def _verdict(self, correct: bool) -> PlannedVerdict:
        verifier = self._task.verifier
        mean = verifier.right_mean if correct else verifier.wrong_mean + verifier.drift_per_day * self._days
        score = round(min(1.0, max(0.0, self._dice.gauss(mean, verifier.spread))), 3)
        return PlannedVerdict(verifier.name, verifier.version, score, verifier.threshold)

    def _label(self, attempt: PlannedAttempt, probability: float) -> PlannedLabel:
        source = self._task.label_source
        labeler = "ci" if source == "test" else self._dice.choice(("dana", "lee", "omar"))
        delay_s = round(self._dice.uniform(60, 240 if source == "test" else 6 * 3600), 3)
        return PlannedLabel(attempt.number, attempt.correct, source, labeler, probability, delay_s)


_HOUR: Final = dt.timedelta(hours=1)
_GROWTH: Final = 2.4  # thinking grows e^2.4 from the easiest to the hardest request
_USER_WEIGHTS: Final = [sum(1 / (rank + 3) for rank in range(last + 1)) for last in range(_USERS)]
_RESPONSE_PREFIX: Final = {
    "openai.chat": "chatcmpl-",
    "openai.responses": "resp_",
    "anthropic.messages": "msg_",
    "gemini.generate_content": "",
}


def _busyness(task: TaskClass, hour: dt.datetime) -> float:
    return task.hours[hour.hour] * (task.weekend if hour.weekday() >= 5 else 1.0)
