"""`thinkmeter import` of batch results: priced as batches, counted once, and what was not answered is said."""

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run, Told
from tests.schema.rows import insert, price, select
from thinkmeter.collector.jobs.settling import settle_calls

OPENAI_CHAT = {
    "id": "batch_req_1",
    "custom_id": "doc-1",
    "response": {
        "status_code": 200,
        "request_id": "r-1",
        "body": {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_793_880_000,
            "model": "gpt-5-mini-2025-08-07",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 80,
                "total_tokens": 180,
                "prompt_tokens_details": {"cached_tokens": 40},
                "completion_tokens_details": {"reasoning_tokens": 60},
            },
        },
    },
    "error": None,
}
OPENAI_RESPONSE = {
    "id": "batch_req_2",
    "custom_id": "doc-2",
    "response": {
        "status_code": 200,
        "body": {
            "id": "resp_2",
            "object": "response",
            "created_at": 1_793_880_001,
            "status": "completed",
            "model": "o3-2025-04-16",
            "output": [],
            "usage": {
                "input_tokens": 10,
                "output_tokens": 30,
                "output_tokens_details": {"reasoning_tokens": 20},
                "total_tokens": 40,
            },
        },
    },
    "error": None,
}
OPENAI_REFUSED = {
    "id": "batch_req_3",
    "custom_id": "doc-3",
    "response": {"status_code": 400, "body": {"error": {"type": "invalid_request_error", "message": "too\nlong"}}},
    "error": None,
}
OPENAI_EXPIRED = {
    "id": "batch_req_4",
    "custom_id": "doc-4",
    "response": None,
    "error": {"code": "batch_expired", "message": "This request could not be executed before the batch expired."},
}
ANTHROPIC = {
    "custom_id": "doc-1",
    "result": {
        "type": "succeeded",
        "message": {
            "id": "msg_1",
            "type": "message",
            "model": "claude-sonnet-4-5-20250929",
            "content": [{"type": "text", "text": "4"}],
            "stop_reason": "end_turn",
            "usage": {
                "input_tokens": 10,
                "cache_creation_input_tokens": 100,
                "cache_read_input_tokens": 1000,
                "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
                "output_tokens": 50,
                "service_tier": "batch",
            },
        },
    },
}
ANTHROPIC_ERRED = {
    "custom_id": "doc-2",
    "result": {
        "type": "errored",
        "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: required"}},
    },
}
GEMINI = {
    "key": "doc-1",
    "response": {
        "candidates": [{"content": {"parts": [{"text": "4"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 20,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 70,
            "totalTokenCount": 95,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "g-1",
    },
}
GEMINI_ERRED = {"key": "doc-2", "error": {"code": 3, "message": "blocked"}}
VERTEX = {
    "status": "",
    "processed_time": "2026-11-05T12:00:00.5+00:00",
    "request": {"contents": [], "labels": {"custom_id": "doc-9"}},
    "response": {**GEMINI["response"], "createTime": "2026-11-05T11:59:59Z"},  # type: ignore[dict-item]
}
MISTRAL = {
    "id": "batch-1-0",
    "custom_id": "doc-1",
    "response": {
        "status_code": 200,
        "body": {
            "id": "m-1",
            "object": "chat.completion",
            "created": 1_793_880_000,
            "model": "magistral-small-2509",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42},
        },
    },
    "error": None,
}
BEDROCK_CLAUDE = {
    "recordId": "CALL0000001",
    "modelInput": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1024, "messages": []},
    "modelOutput": {
        "id": "msg_bdrk_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "4"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 100, "cache_read_input_tokens": 30, "output_tokens": 50},
    },
}
BEDROCK_FAILED = {
    "recordId": "CALL0000002",
    "modelInput": {},
    "error": {"errorCode": 400, "errorMessage": "bad request"},
}
BEDROCK_NOVA = {
    "recordId": "CALL0000003",
    "modelInput": {"inferenceConfig": {}},
    "modelOutput": {
        "output": {"message": {"role": "assistant", "content": [{"text": "4"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 12, "outputTokens": 7, "totalTokens": 19},
    },
}
BEDROCK_LLAMA = {
    "recordId": "CALL0000004",
    "modelOutput": {"generation": "4", "prompt_token_count": 8, "generation_token_count": 3, "stop_reason": "stop"},
}
BEDROCK_TITAN = {
    "recordId": "CALL0000005",
    "modelOutput": {"inputTextTokenCount": 8, "results": [{"tokenCount": 3, "outputText": "4"}]},
}
COLUMNS = (
    "request_id, provider, model, service_tier, input_tokens, cache_read_tokens, cache_write_1h_tokens,"
    " output_tokens, thinking_tokens, thinking_source, response_id"
)
AT = ("--at", "2026-11-05T12:00Z")


def told(run: Run, file: Path, lines: list[Any], *options: str) -> Told:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run("import", str(file), *options)


@pytest.mark.parametrize(
    ("lines", "options", "calls", "said"),
    [
        pytest.param(
            [OPENAI_CHAT, OPENAI_REFUSED, OPENAI_RESPONSE, OPENAI_EXPIRED],
            (),
            [
                ["doc-1", "openai", "gpt-5-mini-2025-08-07", "batch", 100, 40, None, 80, 60, "provider", "chatcmpl-1"],
                ["doc-2", "openai", "o3-2025-04-16", "batch", 10, None, None, 30, 20, "provider", "resp_2"],
            ],
            [
                "2: doc-3: invalid_request_error: too long (status 400)",
                "4: doc-4: batch_expired: This request could not be executed before the batch expired.",
            ],
            id="openai",
        ),
        pytest.param(
            [ANTHROPIC, ANTHROPIC_ERRED, {"custom_id": "doc-3", "result": {"type": "expired"}}],
            AT,
            [
                ["doc-1", "anthropic", "claude-sonnet-4-5-20250929", "batch", 1110, 1000, 40, 50, 0, "derived", "msg_1"]
            ],
            ["2: doc-2: errored, invalid_request_error: max_tokens: required", "3: doc-3: expired"],
            id="anthropic",
        ),
        pytest.param(
            [GEMINI, GEMINI_ERRED],
            AT,
            [["doc-1", "gcp.gemini", "gemini-2.5-flash", "batch", 20, 0, None, 75, 70, "provider", "g-1"]],
            ["2: doc-2: 3: blocked"],
            id="gemini",
        ),
        pytest.param(
            [VERTEX, {"status": "Bad Request: no", "request": {}, "response": {}}],
            (),
            [["doc-9", "gcp.vertex_ai", "gemini-2.5-flash", "batch", 20, 0, None, 75, 70, "provider", "g-1"]],
            ["2: : Bad Request: no"],
            id="vertex",
        ),
        pytest.param(
            [MISTRAL],
            ("--request-id", "n/{custom_id}"),
            [["n/doc-1", "mistral_ai", "magistral-small-2509", "batch", 12, None, None, 30, None, "missing", "m-1"]],
            [],
            id="mistral",
        ),
        pytest.param(
            [BEDROCK_CLAUDE, BEDROCK_FAILED],
            AT,
            [
                ["CALL0000001", "aws.bedrock", "claude-sonnet-4-5-20250929", "batch", 130, 30, None, 50, 0, "derived",
                 "msg_bdrk_1"]
            ],
            ["2: CALL0000002: 400: bad request"],
            id="bedrock, Claude",
        ),
        pytest.param(
            [BEDROCK_NOVA, BEDROCK_LLAMA, BEDROCK_TITAN],
            (*AT, "--set", "model=amazon.nova-pro-v1:0", "--request-id", "n/{custom_id}"),
            [
                [f"n/CALL000000{n}", "aws.bedrock", "amazon.nova-pro-v1:0", "batch", read, None, None, written, None,
                 "missing", ""]
                for n, read, written in ((3, 12, 7), (4, 8, 3), (5, 8, 3))
            ],
            [],
            id="bedrock, others",
        ),
    ],
)  # fmt: skip
def test_results_of_each_provider_are_calls_once(
    lines: list[Any],
    options: tuple[str, ...],
    calls: list[list[Any]],
    said: list[str],
    tmp_path: Path,
    run: Run,
    store_url: str,
    client: Client,
) -> None:
    file = tmp_path / "results.jsonl"
    for _ in range(2):
        answer = told(run, file, lines, *options, "--set", "task=extraction", "--store-url", store_url)
        assert answer.code == 0, answer.err
        assert answer.out.startswith(f"{len(calls)} calls, 0 verdicts and 0 labels imported from ")
        assert [line.split("results.jsonl:")[1] for line in answer.out.splitlines()[2:]] == said
        assert (f"{len(said)} requests were not answered, and are not billed" in answer.out) == bool(said)
        settle_calls(client)
    assert [list(row.values()) for row in select(client, f"SELECT {COLUMNS} FROM calls ORDER BY request_id")] == calls
    assert select(client, "SELECT DISTINCT task FROM calls") == [{"task": "extraction"}]


def test_a_batch_costs_what_the_price_of_batches_says(tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    book = {"provider": "openai", "model": "gpt-5-mini-2025-08-07"}
    insert(client, "prices", [price(**book), price(**book, service_tier="batch", input_per_mtok_usd=0.5,
        cache_read_per_mtok_usd=0.05, thinking_per_mtok_usd=2.0, answer_per_mtok_usd=1.0)])  # fmt: skip
    assert told(run, tmp_path / "results.jsonl", [OPENAI_CHAT], "--store-url", store_url).code == 0
    settle_calls(client)
    [call] = select(client, "SELECT cost_usd, cost_source FROM calls")
    assert call["cost_source"] == "computed"
    assert call["cost_usd"] == pytest.approx((60 * 0.5 + 40 * 0.05 + 60 * 2 + 20 * 1) / 1e6)


def test_the_results_of_bedrock_are_read_as_they_are_named(tmp_path: Path, run: Run, store_url: str) -> None:
    for name in ("records.jsonl.out", "records.jsonl.out.gz"):
        file = tmp_path / name
        line = json.dumps(BEDROCK_CLAUDE).encode() + b"\n"
        file.write_bytes(gzip.compress(line) if name.endswith("gz") else line)
        answer = run("import", str(file), *AT, "--store-url", store_url)
        assert (answer.code, answer.out.splitlines()[0]) == (
            0,
            "1 calls, 0 verdicts and 0 labels imported from bedrock batch results",
        )


def test_the_batch_at_another_time_is_the_same_batch(tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    for at in ("2026-11-05T12:00Z", "2026-11-06T12:00"):
        assert told(run, tmp_path / "results.jsonl", [ANTHROPIC], "--at", at, "--store-url", store_url).code == 0
        settle_calls(client)
    assert select(client, "SELECT toDate(time) AS day FROM calls") == [{"day": dt.date(2026, 11, 6)}]


@pytest.mark.parametrize(
    ("lines", "options", "reason"),
    [
        ([ANTHROPIC], (), "line 1 does not say when the call was made: give the time of the batch, as in --at"),
        ([BEDROCK_NOVA], AT, "line 1 does not say which model answered: give that of the batch, as in --set model="),
        (
            [{"recordId": "1", "modelOutput": {"embedding": [0.1]}}],
            (*AT, "--set", "model=amazon.titan-embed-text-v2:0"),
            "line 1 holds no token counts",
        ),
        ([ANTHROPIC], ("--at", "noon"), "--at 'noon' is not a time"),
        ([ANTHROPIC], ("--set", "tsk=x"), "--set tsk=...: `calls` has no such column, its nearest is task"),
        (
            [{**OPENAI_CHAT, "response": {"status_code": 200, "body": {"object": "list", "data": []}}}],
            (),
            "line 1 holds neither a chat completion nor a response (list)",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    lines: list[Any], options: tuple[str, ...], reason: str, tmp_path: Path, run: Run, store_url: str
) -> None:
    answer = told(run, tmp_path / "results.jsonl", lines, *options, "--store-url", store_url)
    assert answer.code == 1
    assert reason in answer.err
    assert answer.err.count("\n") == 1
