"""Numbers as people read them."""

import pytest

from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.wording import interval, points, rate, state, tokens, usd, usd_per_point, value


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "-"),
        (0.0, "$0.00"),
        (0.00001, "<$0.0001"),
        (0.0051, "$0.0051"),
        (0.05, "$0.05"),
        (12.345, "$12.35"),
        (999.5, "$999.50"),
        (1234.5, "$1,234"),
        (-0.004, "-$0.0040"),
    ],
)
def test_money(amount: float | None, text: str) -> None:
    assert usd(amount) == text


def test_cost_per_quality_point() -> None:
    amounts = (0.4991, 0.0412, 0.0000706, 12.3, 0.0, None)
    texts = ["$0.4991/pt", "$0.0412/pt", "$0.0000706/pt", "$12.30/pt", "$0.00/pt", "-"]
    assert [usd_per_point(amount) for amount in amounts] == texts


def test_tokens() -> None:
    assert [tokens(x) for x in (0, 412, 999.4, 1_234, 999_960, 3_400_000)] == [
        "0",
        "412",
        "999",
        "1.2k",
        "1.0M",
        "3.4M",
    ]


def test_rates_and_changes() -> None:
    assert (rate(0.2341), rate(None), points(5.12), points(-1.0)) == ("23.4%", "-", "+5.1 pp", "-1.0 pp")


def test_values_and_intervals_take_the_form_of_their_metric() -> None:
    assert value(METRICS["escr"], 0.2) == "20.0%"
    assert interval(METRICS["cpq"], 0.031, 0.058) == "$0.0310 to $0.0580"
    assert interval(METRICS["cpq"], 0.031, None) == "$0.0310 or more"
    assert interval(METRICS["ttr"], None, 1500.0) == "up to 1.5k"
    assert interval(METRICS["cost"], None, None) == "-"


@pytest.mark.parametrize(
    ("reached", "detail", "words"),
    [
        (State.OK, {}, "ok"),
        (State.OK, {"confounded": True}, "ok; confounded, hard requests think more"),
        (State.OK, {"estimated": True}, "ok; estimated from sampled traffic"),
        (State.INSUFFICIENT_DATA, {"reason": "12 of 30 labels"}, "not enough data: 12 of 30 labels"),
        (State.INCONCLUSIVE, {}, "inconclusive: accuracy may not have risen at all"),
        (State.NO_GAIN, {}, "no gain: accuracy did not rise"),
        (State.WORSE, {}, "worse: accuracy fell"),
    ],
)
def test_states_in_words(reached: State, detail: dict[str, object], words: str) -> None:
    assert state(reached, detail) == words
