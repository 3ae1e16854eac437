"""Every example of docs/cascades.md runs as it stands, through real clients, and is recorded as the page says."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.clients import anthropic_client, async_openai_client, openai_client
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_usage
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured

PAGE = (Path(__file__).parents[2] / "docs" / "cascades.md").read_text()
EXAMPLES: dict[str, str] = dict(re.findall(r"^## (.+?)\n.*?```python\n(.+?)```", PAGE, re.MULTILINE | re.DOTALL))
TOLD = Told()


def say(provider: ProviderServer, *answers: str) -> None:
    """Let the provider answer so, in this order."""
    for answer in answers:
        message = {"role": "assistant", "content": answer}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        provider.reply({**chat_whole(TOLD), "choices": [choice]})


def run(provider: ProviderServer, name: str, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run an example; what it defines is given back."""
    given = namespace if namespace is not None else {}
    aclient = async_openai_client(provider.port)  # closed by the one example that uses it
    with openai_client(provider.port) as client, anthropic_client(provider.port) as claude:
        given |= {"client": client, "claude": claude, "aclient": aclient}
        exec(compile(EXAMPLES[name], f"docs/cascades.md: {name}", "exec"), given)
    return given


@pytest.fixture
def defined(provider: ProviderServer, captured: Captured) -> dict[str, Any]:
    """What the first example defines for those after it."""
    say(provider, "42", "1")
    found = run(provider, "The whole pattern in one call")
    captured.clear()
    return found


def calls(captured: Captured, *columns: str) -> list[tuple[Any, ...]]:
    """Those attributes of each call; all are of one request."""
    assert len({call[names.REQUEST_ID] for call in captured.calls}) == 1
    return sorted(tuple(call.get(column) for column in columns) for call in captured.calls)


def test_the_page_has_no_example_that_is_not_run() -> None:
    source = Path(__file__).read_text()
    assert [name for name in EXAMPLES if source.count(f'"{name}"') == 0] == []
    assert PAGE.count("```python") == len(EXAMPLES)


def test_the_whole_pattern(provider: ProviderServer, captured: Captured) -> None:
    say(provider, "41", "0.1", "42", "0.9")
    trail = run(provider, "The whole pattern in one call")["trail"]
    assert (trail.answer, [step.tier for step in trail.steps]) == ("42", [1, 3])
    assert [(c[names.TIER], c.get(names.ROLE)) for c in captured.calls] == [
        (1, None),
        (1, "verifier"),
        (3, None),
        (3, "verifier"),
    ]
    assert [v[names.EVALUATION_SCORE_LABEL] for v in captured.verdicts] == ["fail", "pass"]
    assert captured.labels[0][names.REQUEST_ID] == trail.request_id


def test_by_hand(provider: ProviderServer, captured: Captured, defined: dict[str, Any]) -> None:
    say(provider, "41", "42")
    run(provider, "By hand", {"thinkmeter": defined["thinkmeter"], "ask": asking(provider)})
    assert calls(captured, names.ATTEMPT, names.TIER, names.USER_ID) == [(1, 1, "u-42"), (2, 2, "u-42")]


def test_limits(provider: ProviderServer, captured: Captured, defined: dict[str, Any]) -> None:
    say(provider, "42")
    found = run(provider, "Limits", {"thinkmeter": defined["thinkmeter"], "ask": asking(provider)})
    assert (found["answer"], provider.bodies[-1]["reasoning_effort"]) == ("42", "high")


def asking(provider: ProviderServer) -> Any:
    """The first example's `ask`, with a client of its own for each call."""

    def ask(model: str, effort: str, question: str) -> Any:
        with openai_client(provider.port) as client:
            messages = [{"role": "user", "content": question}]
            reply = client.chat.completions.create(model=model, reasoning_effort=effort, messages=messages)
            return reply.choices[0].message.content

    return ask


@pytest.mark.parametrize(
    ("name", "answers", "strategy", "marks"),
    [
        ("Best of N, in threads", 4, "best_of_n", [(n, None) for n in range(4)]),
        ("Self-consistency, in tasks", 3, "self_consistency", [(n, None) for n in range(3)]),
        ("Tree search", 4, "tree_of_thought", [(0, "depth 0"), (0, "depth 1"), (1, "depth 0"), (1, "depth 1")]),
        ("Iterative refinement", 3, "iterative_refinement", [(n, None) for n in range(3)]),
    ],
)
def test_attempts_of_many_calls(
    provider: ProviderServer,
    captured: Captured,
    defined: dict[str, Any],
    name: str,
    answers: int,
    strategy: str,
    marks: list[tuple[int, str | None]],
) -> None:
    say(provider, *["42"] * answers)
    found = run(provider, name, {"thinkmeter": defined["thinkmeter"], "ask": asking(provider)})
    assert calls(captured, names.SAMPLE, names.PHASE) == marks
    assert {(c[names.ATTEMPT], c[names.STRATEGY]) for c in captured.calls} == {(1, strategy)}
    assert len(captured.entities("attempt")) == 1
    assert found.get("answer", found.get("draft", "42")) == "42"


def test_an_agent_with_tools(provider: ProviderServer, captured: Captured, defined: Mapping[str, Any]) -> None:
    def thought(*blocks: dict[str, Any], stop: str) -> None:
        thinking = {"type": "thinking", "thinking": "Hmm. Wait.", "signature": "s"}
        provider.reply(
            {
                "id": f"msg-{stop}-{len(provider.answers)}",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-5",
                "content": [thinking, *blocks],
                "stop_reason": stop,
                "stop_sequence": None,
                "usage": messages_usage(TOLD),
            }
        )

    def use(number: int, a: int, b: int) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"use-{number}", "name": "multiply", "input": {"a": a, "b": b}}

    thought({"type": "text", "text": "Multiply twice."}, stop="end_turn")
    thought(use(1, 6, 7), stop="tool_use")
    thought(use(2, 42, 2), stop="tool_use")
    thought({"type": "text", "text": "84"}, stop="end_turn")
    found = run(provider, "An agent with tools", {"thinkmeter": defined["thinkmeter"]})
    assert found["answer"] == "84"
    assert [c[names.PHASE] for c in captured.calls] == [
        "planning",
        "tool_selection",
        "interpretation",
        "interpretation",
    ]
    ((request_id, task, attempt),) = {(c[names.REQUEST_ID], c[names.TASK], c[names.ATTEMPT]) for c in captured.calls}
    assert (request_id, task, attempt) == (captured.entities("request")[0][names.REQUEST_ID], "agent", 1)
    assert sum(c[names.REASONING_OUTPUT_TOKENS] for c in captured.calls) == 4 * (TOLD.thinking or 0)
    results = [part for body in provider.bodies[-2:] for part in body["messages"][-1]["content"]]
    assert [json.loads(part["content"]) for part in results] == [42, 84]
