"""What is particular to Amazon Bedrock through boto3: two families of operations, and a maker's reply in each body."""

import gc
import inspect
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError, EventStreamError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from tests.sdk.clients import bedrock_client
from tests.sdk.provider_server import AMAZON, ProviderServer
from tests.sdk.replies.anthropic import messages_whole
from tests.sdk.replies.bedrock import (
    CLAUDE,
    converse_create,
    converse_events,
    converse_whole,
    invoke_create,
    invoke_events,
)
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.guard import ThinkingBudgetExceeded
from thinkmeter.sdk.testing import Captured, capture

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""boto3 leaves the socket of a stream open that was not read to its end."""

TOLD = Told()
COUNTS = {names.INPUT_TOKENS: 1200, names.OUTPUT_TOKENS: 640, names.REASONING_OUTPUT_TOKENS: 512}
ASKED = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
DETAILS = "/usage/output_tokens_details"


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[Any]:
    made = bedrock_client(provider.port)
    yield made
    made.close()
    gc.collect()  # what boto3 leaves behind is found here, not in another test


# --- Converse --------------------------------------------------------------------------------------


def test_claude_is_asked_for_its_thinking_and_what_it_says_to_that_stays_ours(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(converse_whole(TOLD))
    provider.stream(converse_events(TOLD), framing=AMAZON, done=False)
    assert "additionalModelResponseFields" not in converse_create(client, False)
    events = list(converse_create(client, True))
    assert events[-2] == {"messageStop": {"stopReason": "end_turn"}}
    assert [body["additionalModelResponseFieldPaths"] for body in provider.bodies] == [[DETAILS]] * 2
    assert all(call.items() >= COUNTS.items() for call in captured.calls)


def test_fields_that_the_caller_asks_for_are_the_callers(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    for paths in (["/stop_sequence"], [DETAILS], ["/usage"]):
        body = converse_whole(TOLD)
        body["additionalModelResponseFields"]["stop_sequence"] = "."
        provider.reply(body)
        reply = client.converse(modelId=CLAUDE, additionalModelResponseFieldPaths=paths, **ASKED)
        sent = provider.bodies[-1]["additionalModelResponseFieldPaths"]
        fields = reply["additionalModelResponseFields"]
        if paths == ["/stop_sequence"]:
            assert sent == ["/stop_sequence", DETAILS]
            assert fields == {"stop_sequence": "."}
        else:
            assert sent == paths
            assert fields["usage"] == {"output_tokens_details": {"thinking_tokens": 512}}
    assert [call[names.REASONING_OUTPUT_TOKENS] for call in captured.calls] == [512] * 3


@pytest.mark.parametrize("reason", ["another maker", "turned off", "thinking is off"])
def test_nothing_is_asked_of_those_who_would_not_answer(provider: ProviderServer, reason: str) -> None:
    provider.reply(converse_whole(Told(thinking=None), shown=False))
    model = "openai.gpt-oss-120b-1:0" if reason == "another maker" else CLAUDE
    further = (
        {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}} if reason == "thinking is off" else {}
    )
    client = bedrock_client(provider.port)
    with capture(stream_usage=reason != "turned off") as captured:
        client.converse(modelId=model, **ASKED, **further)
    client.close()
    assert "additionalModelResponseFieldPaths" not in provider.bodies[0]
    # Claude shows a block wherever it thought; of others that is not known.
    assert captured.call.get(names.REASONING_OUTPUT_TOKENS) == (None if reason == "another maker" else 0)


def test_a_model_that_refuses_the_question_gets_the_request_as_it_was_written(
    provider: ProviderServer, captured: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    client = bedrock_client(provider.port)
    model = "anthropic.claude-of-old-v1:0"
    refusal = {"message": "additionalModelResponseFieldPaths: no such field"}
    provider.reply(refusal, status=400, headers={"x-amzn-errortype": "ValidationException"})
    told = Told(thinking=None)
    provider.reply(converse_whole(told))
    provider.reply(converse_whole(told))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            client.converse(modelId=model, **ASKED)
    client.close()
    assert ["additionalModelResponseFieldPaths" in body for body in provider.bodies] == [True, False, False]
    assert [call.get(names.REASONING_OUTPUT_TOKENS) for call in captured.calls] == [None, None]
    assert [call[names.OUTPUT_TOKENS] for call in captured.calls] == [640, 640]
    assert caplog.text.count("does not tell its count of thinking") == 1


def test_any_other_refusal_is_the_callers(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply({"message": "no such model"}, status=400, headers={"x-amzn-errortype": "ValidationException"})
    with pytest.raises(ClientError) as raised:
        client.converse(modelId=CLAUDE, **ASKED)
    assert type(raised.value).__name__ == captured.call[names.ERROR_TYPE]
    assert len(provider.bodies) == 1


@pytest.mark.newest
def test_caches_tier_budget_and_cap_are_read(provider: ProviderServer, client: Any, captured: Captured) -> None:
    usage = {
        **{"inputTokens": 10, "outputTokens": 20, "totalTokens": 30, "cacheReadInputTokens": 5},
        "cacheWriteInputTokens": 7,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 3}],
    }
    provider.reply({**converse_whole(TOLD), "usage": usage, "serviceTier": {"type": "flex"}})
    client.converse(
        modelId=CLAUDE,
        inferenceConfig={"maxTokens": 9000},
        additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 4096}},
        serviceTier={"type": "flex"},
        **ASKED,
    )
    expected = {
        names.INPUT_TOKENS: 22,
        names.CACHE_READ_INPUT_TOKENS: 5,
        names.CACHE_WRITE_INPUT_TOKENS: 7,
        names.CACHE_WRITE_1H_TOKENS: 4,
        names.SERVICE_TIER: "flex",
        names.THINKING_BUDGET_TOKENS: 4096,
        names.REQUEST_MAX_TOKENS: 9000,
        names.REQUEST_MODEL: CLAUDE,
        names.SERVER_ADDRESS: "127.0.0.1",
    }
    assert captured.call.items() >= expected.items()


def test_a_stream_can_be_left_and_taken_up_again(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.stream(converse_events(TOLD), framing=AMAZON, done=False)
    response = client.converse_stream(modelId=CLAUDE, **ASKED)
    stream = response["stream"]
    assert isinstance(stream, EventStream)
    for event in stream:
        assert "messageStart" in event
        break
    assert captured.calls == []
    assert len(list(stream)) == len(converse_events(TOLD)) - 1
    assert captured.call.items() >= COUNTS.items()


def test_closing_a_stream_ends_its_call_at_once(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.stream(converse_events(TOLD), framing=AMAZON, done=False)
    stream = converse_create(client, True)
    next(iter(stream))
    stream.close()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)


def test_an_error_in_a_stream_is_raised_and_named(provider: ProviderServer, client: Any, captured: Captured) -> None:
    broken = [*converse_events(TOLD)[:3], {"throttlingException": {"message": "later"}}]
    provider.stream(broken, framing=AMAZON, done=False)
    with pytest.raises(EventStreamError):
        list(converse_create(client, True))
    assert captured.call[names.ERROR_TYPE] == "EventStreamError"


@pytest.mark.parametrize("operation", ["converse", "invoke"])
def test_a_budget_above_the_cap_is_clamped_or_refused(provider: ProviderServer, operation: str) -> None:
    client = bedrock_client(provider.port)
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 30_000}}

    def call() -> None:
        if operation == "converse":
            client.converse(modelId=CLAUDE, additionalModelRequestFields=thinking, **ASKED)
        else:
            body = {"anthropic_version": "bedrock-2023-05-31", "messages": [], **thinking}
            client.invoke_model(modelId=CLAUDE, body=json.dumps(body))["body"].read()

    with capture(max_thinking_tokens=2000, on_exceed="clamp") as captured:
        provider.reply(converse_whole(TOLD) if operation == "converse" else messages_whole(TOLD))
        call()
        assert captured.call[names.THINKING_BUDGET_TOKENS] == 2000
    sent = provider.bodies[0]
    assert sent.get("additionalModelRequestFields", sent)["thinking"]["budget_tokens"] == 2000
    assert thinking["thinking"]["budget_tokens"] == 30_000
    with capture(max_thinking_tokens=2000, on_exceed="raise") as captured, pytest.raises(ThinkingBudgetExceeded):
        call()
    assert len(provider.bodies) == 1
    client.close()


# --- InvokeModel -----------------------------------------------------------------------------------

HEADERS = {"x-amzn-bedrock-input-token-count": "30", "x-amzn-bedrock-output-token-count": "12"}


@pytest.mark.parametrize("way", ["read", "pieces", "lines", "file"])
def test_a_body_is_read_over_the_callers_shoulder_however_it_is_read(
    provider: ProviderServer, client: Any, captured: Captured, way: str
) -> None:
    provider.reply(messages_whole(TOLD))
    body = client.invoke_model(modelId=CLAUDE, body=json.dumps({"anthropic_version": "1", "messages": []}))["body"]
    assert isinstance(body, StreamingBody)
    assert captured.calls == []
    if way == "pieces":
        read = b"".join(body.iter_chunks(10))
    elif way == "lines":
        read = b"\n".join(body.iter_lines())
    elif way == "file":
        read = json.dumps(json.load(body)).encode()
    else:
        read = body.read()
    assert json.loads(read) == messages_whole(TOLD)
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.parametrize("counted", [False, True], ids=["no headers", "headers"])
def test_a_body_that_nobody_reads_is_known_by_its_headers_alone(
    provider: ProviderServer, client: Any, captured: Captured, counted: bool
) -> None:
    provider.reply(messages_whole(TOLD), headers=HEADERS if counted else {})
    response = client.invoke_model(modelId=CLAUDE, body=json.dumps({"anthropic_version": "1", "messages": []}))
    del response
    gc.collect()
    call = captured.call
    expected = (30, 12) if counted else (None, None)
    assert (call.get(names.INPUT_TOKENS), call.get(names.OUTPUT_TOKENS)) == expected
    assert names.REASONING_OUTPUT_TOKENS not in call
    assert call[names.THINKING_SOURCE] == "missing"


OTHERS = {
    "llama": (
        {"prompt": "x"},
        {"generation": "42", "prompt_token_count": 30, "generation_token_count": 12, "stop_reason": "stop"},
        "stop",
    ),
    "titan": ({"inputText": "x"}, {"results": [{"outputText": "42", "tokenCount": 12}]}, None),
    "nova": (
        {"messages": [], "inferenceConfig": {"maxTokens": 9}},
        {**converse_whole(Told()), "usage": {"inputTokens": 30, "outputTokens": 12, "totalTokens": 42}},
        "end_turn",
    ),
    "openai": (
        {"messages": []},
        {"id": "c", "choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 30, "completion_tokens": 12}},
        "stop",
    ),
}


@pytest.mark.parametrize("maker", OTHERS)
def test_every_makers_own_reply_is_counted(
    provider: ProviderServer, client: Any, captured: Captured, maker: str
) -> None:
    sent, reply, finish = OTHERS[maker]
    provider.reply(reply, headers=HEADERS)
    client.invoke_model(modelId=f"{maker}.model-v1:0", body=json.dumps(sent))["body"].read()
    call = captured.call
    assert (call[names.INPUT_TOKENS], call[names.OUTPUT_TOKENS]) == (30, 12)
    assert call.get(names.RESPONSE_FINISH_REASONS) == (None if finish is None else (finish,))


def test_a_stream_of_a_maker_who_tells_nothing_is_counted_by_amazon(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    metrics = {"inputTokenCount": 30, "outputTokenCount": 12, "invocationLatency": 5, "firstByteLatency": 1}
    documents: list[dict[str, Any]] = [
        {"outputs": [{"text": "4", "stop_reason": None}]},
        {"outputs": [{"text": "2", "stop_reason": "stop"}], "amazon-bedrock-invocationMetrics": metrics},
    ]
    provider.stream([{"chunk": document} for document in documents], framing=AMAZON, done=False)
    response = client.invoke_model_with_response_stream(modelId="mistral.m-v1:0", body=json.dumps({"prompt": "x"}))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in response["body"]]
    assert chunks == documents
    assert (captured.call[names.INPUT_TOKENS], captured.call[names.OUTPUT_TOKENS]) == (30, 12)
    assert names.REASONING_OUTPUT_TOKENS not in captured.call
    assert captured.call[names.TIME_TO_FIRST_ANSWER] > 0


def test_an_inference_profile_that_does_not_name_its_model_is_read_by_its_request(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    provider.stream(invoke_events(TOLD), framing=AMAZON, done=False)
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "messages": []}).encode()
    list(client.invoke_model_with_response_stream(modelId=profile, body=body)["body"])
    assert captured.call.items() >= COUNTS.items()
    assert captured.call[names.REQUEST_MODEL] == profile


def test_a_body_that_is_no_document_is_passed_on_and_counts_nothing(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply("a page of a gateway")
    response = invoke_create(client, False)
    assert json.loads(response["body"]) == "a page of a gateway"
    assert names.INPUT_TOKENS not in captured.call


@pytest.mark.newest
def test_other_operations_are_no_calls(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply({"inputTokens": 5})
    client.count_tokens(modelId=CLAUDE, input={"converse": ASKED})
    assert captured.calls == []


def test_a_request_that_is_no_document_goes_out_as_it_is(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply({"generation": "42"}, headers=HEADERS)
    provider.reply(messages_whole(TOLD))
    client.invoke_model(modelId="meta.m-v1:0", body=b'"not a document"')["body"].read()
    body = io.BytesIO(json.dumps({"anthropic_version": "1", "messages": []}).encode())  # not read, but by boto3
    client.invoke_model(modelId=CLAUDE, body=body)["body"].read()
    assert [call[names.OUTPUT_TOKENS] for call in captured.calls] == [12, 640]


def test_another_wrapper_below_gets_what_was_passed_by_position_by_position(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.client import BaseClient

    original, seen = BaseClient._make_api_call, []

    def below(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((args[0], sorted(args[1]), kwargs))
        return original(self, *args, **kwargs)

    below.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]  # as wrappers are
    monkeypatch.setattr(BaseClient, "_make_api_call", below)
    provider.reply(converse_whole(TOLD))
    client = bedrock_client(provider.port)
    with capture() as captured:
        client.converse(modelId=CLAUDE, **ASKED)
    client.close()
    assert seen == [("Converse", ["additionalModelResponseFieldPaths", "messages", "modelId"], {})]
    assert captured.call.items() >= COUNTS.items()


def test_what_an_applications_own_tests_put_in_place_of_a_stream_is_left_alone(client: Any, captured: Captured) -> None:
    body, events = io.BytesIO(b"{}"), {"messageStart": {"role": "assistant"}}
    with Stubber(client) as stubber:
        stubber.add_response("converse_stream", {"stream": events})
        stubber.add_response("invoke_model", {"body": body, "contentType": "application/json"})
        stubber.add_response("converse", converse_whole(TOLD))
        assert client.converse_stream(modelId=CLAUDE, **ASKED)["stream"] is events
        assert client.invoke_model(modelId=CLAUDE, body=b"{}")["body"] is body
        client.converse(modelId=CLAUDE, **ASKED)
    assert [call.get(names.OUTPUT_TOKENS) for call in captured.calls] == [None, None, 640]
