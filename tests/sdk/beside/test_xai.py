"""xai-sdk, which traces itself: one span a call, ours, with what the provider told."""

import json
from pathlib import Path
from typing import Any

from tests.sdk.beside.running import ROOT, program
from thinkmeter.schema import attributes as names

WHOLE = ("sample", "stream", "parse", "defer", "compact", "async sample", "async stream", "async parse")


def calls(environments: Path, *arguments: str) -> list[str]:
    """The lines that the program with xAI's client says."""
    python = str(environments / "xai" / "bin" / "python")
    return program("tests.sdk.beside.xai_calls", *arguments, python=python, OTEL_TRACES_EXPORTER="none").splitlines()


def test_the_example_of_its_page_runs(environments: Path) -> None:
    answer, spans = calls(environments, str(ROOT / "docs" / "providers" / "xai_sdk.md"))
    assert answer == '{"answer": 42}'
    [call] = [span for span in json.loads(spans) if names.OPERATION_NAME in span]
    assert (call[names.TASK], call[names.TIER], call[names.REASONING_OUTPUT_TOKENS]) == ("arithmetic", 3, 512)


def test_every_call_is_one_span_with_what_the_provider_told(environments: Path) -> None:
    lines = calls(environments)
    told: dict[str, dict[str, Any]] = {line["name"]: line for line in map(json.loads, lines)}
    assert len(told) == len(WHOLE) + 9
    for name, line in told.items():
        assert (len(line["spans"]), line["faults"]) == (1, 0), (name, line)
    for name in WHOLE:
        [span] = told[name]["spans"]
        expected = {
            names.OPERATION_NAME: "chat",
            names.PROVIDER_NAME: "x_ai",
            names.REQUEST_MODEL: "grok-4",
            names.REQUEST_REASONING_LEVEL: "high",
            names.REQUEST_MAX_TOKENS: 4096,
            names.RESPONSE_ID: "reply-1",
            names.INPUT_TOKENS: 1200,
            names.OUTPUT_TOKENS: 640,
            names.REASONING_OUTPUT_TOKENS: 512,
            names.THINKING_SOURCE: "provider",
            names.CACHE_READ_INPUT_TOKENS: 924,
            names.USAGE_COST_USD: 0.00125,
        }
        if name != "compact":
            expected |= {names.RESPONSE_MODEL: "grok-4-0709", names.RESPONSE_FINISH_REASONS: ["REASON_STOP"]}
            expected |= {names.REFLECTION_RATIO: 0.5}
        assert {attribute: span.get(attribute) for attribute in expected} == expected, name
        assert (names.TIME_TO_FIRST_ANSWER in span) == ("stream" in name)
    [unfit] = told["parse that fails"]["spans"]
    assert (unfit[names.ERROR_TYPE], unfit[names.OUTPUT_TOKENS]) == ("ValidationError", 640)
    [plain] = told["no thinking"]["spans"]
    assert (plain[names.REASONING_OUTPUT_TOKENS], plain[names.THINKING_SOURCE]) == (0, "derived")
    [left] = told["left early"]["spans"]
    assert (left[names.INPUT_TOKENS], left.get(names.OUTPUT_TOKENS)) == (1200, None)
    [refused] = told["refused"]["spans"]
    assert refused[names.ERROR_TYPE] == told["refused"]["got"]
    asked = [
        {"role": "user", "parts": [{"type": "text", "content": "6 x 7?"}]},
        {"role": "system", "parts": [{"type": "text", "content": "Be brief, [REDACTED]."}]},
        {"role": "user", "parts": [{"type": "text", "content": "and this?"}, {"type": "image_url"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call-1", "response": "weather: fine"}]},
    ]
    thought = {"type": "reasoning", "content": "Wait. So 42."}
    answered = [{"role": "assistant", "parts": [thought, {"type": "text", "content": '{"answer": 42}'}]}]
    for name, output in (
        ("content", answered),
        ("content streamed", [{"role": "assistant", "parts": [thought, {"type": "text", "content": "42"}]}]),
        ("content of a batch", answered * 2),
        ("content compacted", None),
    ):
        [span] = told[name]["spans"]
        assert json.loads(span[names.INPUT_MESSAGES]) == (asked[:1] if "batch" in name else asked), name
        assert json.loads(span.get(names.OUTPUT_MESSAGES, "null")) == output, name
        assert span[names.OUTPUT_TOKENS] == 640
    assert names.INPUT_MESSAGES not in told["sample"]["spans"][0]
    [own] = told["uninstrumented"]["spans"]
    assert names.THINKING_SOURCE not in own  # the library's own, as it was
