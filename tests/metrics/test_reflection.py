"""Reflection against accuracy and length, where it is sent."""

import random

import pytest
from clickhouse_connect.driver.client import Client

from tests.metrics import reference
from tests.metrics.traffic import SINCE, UNTIL, Attempt, Request, insert_traffic
from thinkmeter.schema import attributes as names
from thinkmeter.schema.query import Reader
from thinkmeter.schema.store.client import StoreAddress


def test_reflection_is_told_by_accuracy_and_length(database: StoreAddress, client: Client) -> None:
    chance = random.Random(5)
    sent = [(chance.randrange(100) / 100, n % 3 != 0) for n in range(120)]
    told = [
        Request(
            f"r{n}",
            (Attempt(2, 1000 + round(1000 * ratio), output=4000, correct=right),),
            attributes=((names.REFLECTION_RATIO, str(ratio)),),
        )
        for n, (ratio, right) in enumerate(sent)
    ]
    insert_traffic(
        client,
        [
            *told,
            Request("untold", (Attempt(2, 100),)),
            Request("odd", (Attempt(2, 100),), attributes=((names.REFLECTION_RATIO, "much"),)),
        ],
    )
    with Reader(database) as reader:
        [row] = reader.report("reflection", since=SINCE, until=UNTIL).rows
    ratios = [ratio for ratio, _ in sent]
    assert (row.n, row.state) == (120, "ok")
    assert row.value == pytest.approx(sum(ratios) / 120)
    assert row.value is not None
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.value < row.high
    right = [ratio for ratio, correct in sent if correct]
    wrong = [ratio for ratio, correct in sent if not correct]
    gap = sum(right) / len(right) - sum(wrong) / len(wrong)
    assert (row.detail["right"], row.detail["wrong"]) == (len(right), len(wrong))
    assert row.detail["right_less_wrong"] == pytest.approx(gap)
    assert row.detail["right_less_wrong_low"] < gap < row.detail["right_less_wrong_high"]
    for band in row.detail["bands"]:
        mine = [(ratio, correct) for ratio, correct in sent if band["from"] <= ratio + 1e-9 < band["to"]]
        correct = sum(right for _, right in mine)
        assert (band["attempts"], band["n"]) == (len(mine), len(mine))
        assert (band["low"], band["high"]) == pytest.approx(reference.wilson(correct, len(mine)))
        assert band["thinking_tokens"] == pytest.approx(
            sum(1000 + round(1000 * ratio) for ratio, _ in mine) / len(mine)
        )


def test_where_it_is_not_sent_there_is_no_row(database: StoreAddress, client: Client) -> None:
    insert_traffic(client, [Request("untold", (Attempt(2, 100),))])
    with Reader(database) as reader:
        assert reader.report("reflection", since=SINCE, until=UNTIL).rows == ()
