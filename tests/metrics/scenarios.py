"""One task class a scenario, all in one store; what is special about each is in its name and comment."""

from collections.abc import Iterator
from typing import Any

from tests.metrics.traffic import Attempt, Request, Verdict, answered, climbed

POLICIES: dict[str, dict[str, Any]] = {
    "pinned": {"baseline_accuracy": 0.60},
    "pinned above": {"baseline_accuracy": 0.99},
    "pinned few labels": {"baseline_accuracy": 0.60},
    "pinned unpriced": {"baseline_accuracy": 0.60},
    "two verifiers": {"verifier": "orm", "min_labels": 10},
    "small": {"min_labels": 5, "min_requests": 5},
}


def _paired(gain: int, loss: int, *, same: int = 0) -> Iterator[Request]:
    """20 answered at once, 14 of them right; then escalations: `gain` wrong to right, `loss` right to wrong."""
    for n in range(20):
        yield answered(f"stay{n}", correct=n < 14)
    for n in range(gain):
        yield climbed(f"gain{n}", was=False, became=True)
    for n in range(loss):
        yield climbed(f"loss{n}", was=True, became=False)
    for n in range(same):
        yield climbed(f"same{n}", was=False, became=False, thinking=200)


def _unequal() -> Iterator[Request]:
    """Escalated requests are labelled three times as often as the others, and gained."""
    for n in range(90):
        yield answered(f"a{n}", correct=n % 10 != 0 if n < 20 else None)
    for n in range(30):
        yield climbed(f"e{n}", was=n % 5 == 0 if n < 20 else None, became=True if n < 20 else None, thinking=400 + n)


def _unpaired() -> Iterator[Request]:
    for n in range(40):
        yield answered(f"t{n}", thinking=100 + n, correct=n % 10 != 0)
    for n in range(35):
        yield answered(f"z{n}", thinking=0, correct=n % 2 == 0)
    # such as these can be put on neither side
    for n in range(5):
        yield answered(f"u{n}", thinking=None, correct=True)


def _sampled() -> Iterator[Request]:
    """Requests that climbed were all kept, of the others every fourth."""
    for n in range(24):
        yield answered(f"a{n}", correct=n % 3 != 0, probability=0.25)
    for n in range(16):
        yield climbed(f"e{n}", was=n % 4 == 0, became=n % 8 != 7, thinking=300, probability=1.0)


def _chosen() -> Iterator[Request]:
    """Labels sampled by stratum: one in ten of the passed, all of the failed."""
    for n in range(40):
        attempt = Attempt(
            1, 20, verdicts=(Verdict(True, 0.9),), correct=n % 5 != 0 if n % 2 else None, label_probability=0.5
        )
        yield Request(f"p{n}", (attempt,))
    for n in range(20):
        yield Request(f"f{n}", (Attempt(1, 20, verdicts=(Verdict(False, 0.1),), correct=n % 4 == 0),))
    for n in range(12):
        heavy = Attempt(1, 20, verdicts=(Verdict(True, 0.8),), correct=n % 3 == 0, label_probability=0.1)
        yield Request(f"h{n}", (heavy,))


def _cascade() -> Iterator[Request]:
    """Every way through the tiers."""
    passed, failed = (Verdict(True, 0.9),), (Verdict(False, 0.3),)
    for n in range(30):
        yield Request(f"pass{n}", (Attempt(1, 0, verdicts=passed, correct=n < 27 if n % 2 else None),))
    for n in range(6):
        yield climbed(f"rescued{n}", was=False, became=True)
    for n in range(3):
        yield climbed(f"lost{n}", was=False, became=False)
    for n in range(2):
        yield climbed(f"needless{n}", was=True, became=True)
    for n in range(4):
        yield Request(f"stayed{n}", (Attempt(1, 0, verdicts=failed),))
    for n in range(5):
        yield Request(f"unchecked{n}", (Attempt(1, 0), Attempt(2, 80)))
    for n in range(7):
        yield Request(f"prerouted{n}", (Attempt(2, 90), Attempt(3, 300)))
    # the second try at tier 1 is the gate; its verdict came last of two
    retried = Attempt(1, 0, verdicts=(Verdict(True, 0.8), Verdict(False, 0.2)), correct=False)
    yield Request("retried", (Attempt(1, 0, verdicts=passed), retried, Attempt(3, 500, correct=True)))
    yield Request("undecided", (Attempt(1, 0, verdicts=(Verdict(None, 0.5),)),))
    yield Request("no tier", (Attempt(None, 10),))


def _two_verifiers() -> Iterator[Request]:
    """The policy names `orm`; `judge` speaks last and sees it the other way round."""
    for n in range(16):
        verdicts = (Verdict(n % 4 != 0, n / 16), Verdict(n % 4 == 0, 1 - n / 16, "judge", "2"))
        yield Request(f"v{n}", (Attempt(1, 0, verdicts=verdicts, correct=n % 8 != 0),))


def _unknown() -> Iterator[Request]:
    for n in range(30):
        yield answered(f"k{n}", thinking=10 * n, correct=n % 3 != 0)
    for n in range(10):
        yield Request(f"u{n}", (Attempt(1, None), Attempt(2, 40)))


SCENARIOS: dict[str, list[Request]] = {
    "ok": list(_paired(12, 1)),
    "inconclusive": list(_paired(7, 5)),
    "no gain": list(_paired(6, 6)),
    "worse": list(_paired(0, 12)),
    "unequal": list(_unequal()),
    "unpaired": list(_unpaired()),
    "sampled": list(_sampled()),
    "chosen": list(_chosen()),
    "pinned": [*_paired(12, 1)],
    "pinned above": [*_paired(12, 1)],
    "pinned few labels": list(_paired(5, 1))[8:],
    "pinned unpriced": [answered(f"r{n}", thinking=None, correct=True) for n in range(30)],
    "few labels": list(_paired(6, 0))[14:],
    "few thought": [*_paired(9, 0), *(answered(f"more{n}", correct=True) for n in range(10))],
    "a stratum without labels": [
        *(answered(f"s{n}", correct=True) for n in range(40)),
        climbed("e", was=None, became=True),
    ],
    "cascade": list(_cascade()),
    "two verifiers": list(_two_verifiers()),
    "unknown": list(_unknown()),
    "small": [answered(f"r{n}", thinking=tokens) for n, tokens in enumerate((0, 10, 20, 30, 1000))],
    "too small": [answered(f"r{n}", thinking=n) for n in range(19)],
}


def traffic() -> Iterator[Request]:
    """All of it, with ids that tell the scenario."""
    for number, (task, requests) in enumerate(SCENARIOS.items()):
        for position, request in enumerate(requests):
            yield Request(
                f"{task}/{request.id}",
                request.attempts,
                task=task,
                user=f"u{position % 3}",
                at_s=3600.0 * number + position,
                probability=request.probability,
            )
