"""`POST /v1/quota`: how much of today's thinking is used, from memory, whatever the store is doing."""

import datetime as dt
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from tests.schema.rows import Row, insert, rule, span
from tests.waiting import wait_for
from thinkmeter.collector.quota import Quotas
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings, KeySettings, Scope
from thinkmeter.schema.store.client import StoreAddress

NOON = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
LIMITS = json.dumps({"user_daily_thinking_tokens": 1000, "session_daily_thinking_tokens": 300})
NOWHERE = StoreAddress("127.0.0.1", 1)


def thought(tokens: int | None, at: dt.datetime = NOON, **columns: Any) -> Row:
    return {**span(input_tokens=1, output_tokens=5000, thinking_tokens=tokens, **columns), "time": at}


@pytest.fixture
def quotas(client: Client, database: StoreAddress) -> Quotas:
    insert(client, "rules", [rule("quota", "", LIMITS)])
    return Quotas(database)


def standing(quotas: Quotas, now: dt.datetime = NOON, **owners: str) -> tuple[int | None, int | None, str]:
    found = quotas.standing("default", owners, now)
    return found.used_tokens, found.limit_tokens, found.state


def test_thinking_of_today_is_summed_by_user_and_session(client: Client, quotas: Quotas) -> None:
    who: Row = {"user_id": "u", "session_id": "s"}
    rows = [
        thought(100, request_id="r1", **who),
        thought(50, request_id="r1"),  # the request's user is its calls' user
        thought(200, request_id="r2", user_id="u"),
        thought(7, request_id="r3", user_id="other"),
        thought(9000, role="verifier", request_id="r1", **who),
        thought(None, request_id="r1", **who),
        thought(800, NOON - dt.timedelta(days=1), request_id="r4", **who),
        thought(800, request_id="r5", project="another", **who),
    ]
    insert(client, "spans", rows)
    quotas.refresh(client, NOON)
    assert standing(quotas, user="u") == (350, 1000, "ok")
    assert standing(quotas, session="s") == (150, 300, "ok")
    assert standing(quotas, user="u", session="s") == (150, 300, "ok")  # half of the session's, a third of the user's
    assert standing(quotas, user="nobody") == (0, 1000, "ok")
    assert quotas.standing("another", {"user": "u"}, NOON).used_tokens == 800


def test_at_the_limit_it_is_exceeded(client: Client, quotas: Quotas) -> None:
    insert(client, "spans", [thought(300, request_id="r", user_id="u", session_id="s")])
    quotas.refresh(client, NOON)
    assert standing(quotas, user="u", session="s") == (300, 300, "exceeded")


def test_the_day_is_that_of_the_projects_time_zone(client: Client, quotas: Quotas) -> None:
    insert(client, "rules", [rule("timezone", "", "America/New_York")])
    midnight = dt.datetime(2026, 11, 20, 5, 0, tzinfo=dt.UTC)
    second = dt.timedelta(seconds=1)
    rows = [
        thought(10, midnight - second, request_id="r1", user_id="u"),
        thought(1, midnight, request_id="r2", user_id="u"),
    ]
    insert(client, "spans", rows)
    quotas.refresh(client, NOON)
    assert (standing(quotas, user="u"), quotas.standing("default", {"user": "u"}, NOON).day) == (
        (1, 1000, "ok"),
        dt.date(2026, 11, 20),
    )
    # until the store was asked again, nothing is known of a day that has just begun
    assert standing(quotas, NOON + dt.timedelta(days=1), user="u") == (None, 1000, "unknown")


def test_without_a_limit_the_use_is_told_all_the_same(client: Client, database: StoreAddress) -> None:
    quotas = Quotas(database)
    assert standing(quotas, user="u") == (None, None, "unknown")
    insert(client, "spans", [thought(10, request_id="r", user_id="u")])
    quotas.refresh(client, NOON)
    assert standing(quotas, user="u") == (10, None, "no_limit")


# --- over HTTP -----------------------------------------------------------------------------------------


def post(collector: Collector, body: object, key: str = "") -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    content = body if isinstance(body, str) else json.dumps(body)
    with closing(http.client.HTTPConnection("127.0.0.1", collector.http_port, timeout=30)) as connection:
        connection.request("POST", "/v1/quota", content, headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


def test_a_running_collector_tells_what_was_used_a_moment_ago(collector: Collector, client: Client) -> None:
    insert(client, "rules", [rule("quota", "", LIMITS)])
    insert(client, "spans", [thought(400, dt.datetime.now(dt.UTC), request_id="r", user_id="u", session_id="s")])
    wait_for(lambda: post(collector, {"user": "u"})[1]["used_tokens"] == 400)
    status, told = post(collector, {"user": "u", "session": "s"})
    assert (status, told["used_tokens"], told["limit_tokens"], told["state"]) == (200, 400, 300, "exceeded")
    assert told["day"] == told["as_of"][:10]


@pytest.fixture
def detached(tmp_path: Path, settings: CollectorSettings) -> Iterator[Collector]:
    """A collector whose store is away, with keys."""
    keys = [KeySettings(key=SecretStr(f"{scope}-key"), scopes=frozenset({scope})) for scope in Scope]
    with Collector(NOWHERE, tmp_path, settings.model_copy(update={"drain_s": 0}), keys) as running:
        yield running


def test_a_store_that_is_away_is_not_waited_for(detached: Collector) -> None:
    status, told = post(detached, {"user": "u"}, "read-key")
    assert (status, told["used_tokens"], told["as_of"], told["state"]) == (200, None, None, "unknown")


@pytest.mark.parametrize(("key", "status"), [("read-key", 200), ("ingest-key", 200), ("label-key", 403), ("", 401)])
def test_it_needs_a_key_that_may_read_or_send(detached: Collector, key: str, status: int) -> None:
    assert post(detached, {"session": "s"}, key)[0] == status


@pytest.mark.parametrize("body", ["no", "[]", {}, {"user": ""}, {"user": 7}, {"user": "u", "session": 7}], ids=str)
def test_a_body_of_another_form_is_refused_with_the_reason(detached: Collector, body: object) -> None:
    status, told = post(detached, body, "read-key")
    assert (status, "the body is not" in told["message"]) == (400, True)
