"""Seeded traffic of a cascade in three tiers, as the store holds it: enough of it to look at a page."""

import dataclasses
import datetime as dt
import math
import random
from collections.abc import Iterator

from tests.schema.rows import Row, insert, label, price, span, verdict
from thinkmeter.alerts.evaluator import Evaluator
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.schema import attributes as names
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.lease import Lease


@dataclasses.dataclass(frozen=True, slots=True)
class TaskClass:
    """How the requests of one class behave."""

    name: str
    share: float
    thinking: float
    """Median thinking tokens at tier 2."""
    spread: float
    """Sigma of their logarithm."""
    hard: float
    """Share of requests that tier 1 gets wrong."""
    strictness: float
    """Share of wrong answers that the verifier finds."""


CLASSES = (
    TaskClass("sql_generation", 0.34, 1800, 0.7, 0.22, 0.93),
    TaskClass("support_triage", 0.30, 600, 0.5, 0.10, 0.80),
    TaskClass("contract_review", 0.18, 5200, 0.8, 0.42, 0.88),
    TaskClass("code_review", 0.12, 3400, 0.9, 0.30, 0.72),
    TaskClass("math_tutoring", 0.06, 7600, 0.9, 0.38, 0.95),
)
MODELS = {
    1: ("openai", "gpt-5-nano", 0.05, 0.4),
    2: ("anthropic", "claude-sonnet-4-5", 3.0, 15.0),
    3: ("anthropic", "claude-opus-4-5", 5.0, 25.0),
}
EVIL_ID = "![x](http://127.0.0.1:1/x.png) $a$ <b>c</b> :red[d] **e**"
"""Of one of the requests: what would load a picture if it were obeyed."""
UNPRICED = ("vllm", "qwen3-32b-local")


def prices() -> list[Row]:
    """Price books of the models above, verifier included; the self-hosted one has none."""
    return [
        price(
            provider=provider,
            model=model,
            input_per_mtok_usd=rate_in,
            cache_read_per_mtok_usd=rate_in / 10,
            cache_write_per_mtok_usd=rate_in * 1.25,
            cache_write_1h_per_mtok_usd=rate_in * 2,
            thinking_per_mtok_usd=rate_out,
            answer_per_mtok_usd=rate_out,
        )
        for provider, model, rate_in, rate_out in [*MODELS.values(), ("openai", "gpt-5-mini", 0.25, 2.0)]
    ]


class Traffic:
    """Spans, verdicts and labels of requests that began in [start, end)."""

    def __init__(self, start: dt.datetime, end: dt.datetime, requests: int, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self.spans: list[Row] = []
        self.verdicts: list[Row] = []
        self.labels: list[Row] = []
        for number, time in enumerate(self._times(start, end, requests)):
            request_id = f"req-{seed}-{number:06d}" if number else EVIL_ID
            self._request(request_id, time, (time - start) / (end - start))

    def insert(self, address: StoreAddress) -> None:
        """Store it with its prices; its calls are settled, and those that ran away are found."""
        with connect(address) as client:
            insert(client, "prices", prices())
            insert(client, "verdicts", self.verdicts)
            insert(client, "labels", self.labels)
            insert(client, "spans", self.spans)
        lease, store = Lease("alerts", 60), AlertStore(address)
        assert store.acquire(lease)
        Evaluator(AlertSettings(), lease).evaluate(store, dt.datetime.now(dt.UTC))
        store.release(lease)
        store.close()

    def _times(self, start: dt.datetime, end: dt.datetime, count: int) -> Iterator[dt.datetime]:
        """More in some hours than in others, and the same whatever the hour of the run is."""
        while count:
            progress = self._random.random()
            if self._random.random() < 0.55 + 0.45 * math.sin(progress * 2 * math.pi):
                count -= 1
                yield start + (end - start) * progress

    def _request(self, request_id: str, time: dt.datetime, progress: float) -> None:
        pick = self._random
        task = pick.choices(CLASSES, [c.share for c in CLASSES])[0]
        who = {
            "task": task.name,
            "request_id": request_id,
            "trace_id": f"{pick.getrandbits(128):032x}",
            "user_id": f"u-{min(int(pick.expovariate(0.12)), 60)}",
            "session_id": f"s-{pick.randrange(400)}",
            "environment": pick.choices(["production", "staging"], [0.85, 0.15])[0],
            "service_name": "answers",
        }
        solved_at = 1 if pick.random() > task.hard else 2 if pick.random() < 0.7 else 3 if pick.random() < 0.8 else 9
        tier = 2 if pick.random() < 0.06 else 1
        for attempt in range(1, 4):
            right = tier >= solved_at
            time = self._attempt(who, task, time, attempt, tier, progress)
            score = min(max(pick.gauss(0.82 if right else 0.42, 0.13), 0), 1)
            caught = score < 0.6 if right else pick.random() < task.strictness
            if not right and not caught:
                score = pick.uniform(0.6, 0.9)
            elif not right:
                score = min(score, 0.59)
            self.verdicts.append(
                {
                    **verdict(request_id, attempt=attempt, score=round(score, 3), threshold=0.6, passed=score >= 0.6),
                    "verifier": "orm-v3",
                    "version": "2026-11",
                    "time": time,
                }
            )
            if pick.random() < 0.35:
                row = label(request_id, right, attempt=attempt)
                self.labels.append({**row, "time": time + dt.timedelta(minutes=5), "labeler": "dana"})
            if score >= 0.6 or tier == 3:
                break
            tier += 1

    def _attempt(
        self, who: Row, task: TaskClass, time: dt.datetime, attempt: int, tier: int, progress: float
    ) -> dt.datetime:
        pick = self._random
        provider, model, _, _ = MODELS[tier]
        if tier == 2 and pick.random() < 0.06:
            provider, model = UNPRICED
        thinking = 0
        if tier > 1:
            # one class thinks longer and longer over the window
            drift = 1 + 0.6 * progress if task.name == "contract_review" else 1.0
            thinking = int(pick.lognormvariate(math.log(task.thinking * drift * (1.0, 1.9)[tier - 2]), task.spread))
            if pick.random() < 0.006:
                thinking *= 9
        answer = int(pick.lognormvariate(math.log(350), 0.5))
        input_tokens = int(pick.lognormvariate(math.log(2400), 0.4))
        cached = int(input_tokens * pick.choice([0, 0, 0.5, 0.8]))
        duration_s = 0.6 + (thinking + answer) / (160, 90, 60)[tier - 1]
        base = {**who, "received": time, "attempt": attempt, "tier": tier}
        self.spans.append(
            span(
                **base,
                time=time,
                duration_ns=int(duration_s * 1e9),
                provider=provider,
                request_model=model,
                response_model=model,
                response_id=f"resp-{pick.getrandbits(64):x}",
                strategy=("greedy", "chain_of_thought", "best_of_n")[tier - 1],
                effort=("", "medium", "high")[tier - 1],
                budget_tokens=(None, 8000, 32000)[tier - 1],
                input_tokens=input_tokens,
                cache_read_tokens=cached,
                output_tokens=thinking + answer,
                thinking_tokens=thinking,
                thinking_source="derived" if tier == 1 else "provider",
                # longer thinking turns back on itself more often
                attributes={names.REFLECTION_RATIO: f"{thinking % 100 / 200 + min(thinking, 20_000) / 40_000:.3f}"}
                if thinking
                else {},
                time_to_first_chunk_ms=pick.uniform(180, 900),
                time_to_first_answer_ms=duration_s * 1e3 * thinking / (thinking + answer) + 400,
                finish_reason="stop",
            )
        )
        time += dt.timedelta(seconds=duration_s + 0.05)
        self.spans.append(
            span(
                **base,
                time=time,
                duration_ns=int(7e8),
                role="verifier",
                provider="openai",
                request_model="gpt-5-mini",
                response_model="gpt-5-mini",
                response_id=f"resp-{pick.getrandbits(64):x}",
                input_tokens=input_tokens + answer,
                output_tokens=60,
                thinking_tokens=0,
                thinking_source="derived",
                finish_reason="stop",
            )
        )
        return time + dt.timedelta(seconds=0.9)
