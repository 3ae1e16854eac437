"""One case per API: how its replies look, whole and streamed, and how a client asks for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from tests.sdk.clients import MistralClient
from tests.sdk.provider_server import AMAZON, SSE, Framing
from tests.sdk.replies.anthropic import messages_client, messages_create, messages_events, messages_whole
from tests.sdk.replies.bedrock import (
    boto3_client,
    converse_create,
    converse_events,
    converse_whole,
    invoke_create,
    invoke_events,
)
from tests.sdk.replies.google import (
    gemini_client,
    gemini_create,
    gemini_events,
    gemini_whole,
    interactions_create,
    interactions_events,
    interactions_whole,
)
from tests.sdk.replies.groq import groq_create, groq_events, own_groq_client
from tests.sdk.replies.mistral import mistral_create, mistral_events, mistral_whole
from tests.sdk.replies.openai import (
    chat_client,
    chat_create,
    chat_events,
    chat_whole,
    responses_create,
    responses_events,
    responses_whole,
)


@dataclass(frozen=True)
class Case:
    """One API and its client library.

    Attributes:
        name: for the test's id.
        provider: provider name on the span.
        operation: operation name on the span.
        client: makes a client, given the server's port and whether it is to be asynchronous.
        create: asks for a reply, whole or streamed.
        whole: the body of a whole reply; `usage` False leaves the usage out, `shown` shows thinking.
        events: the same as elements of a stream; the answer begins at `answer_at`.
        answer_at: position of the server's event with which visible answer begins.
        before_answer: elements that the caller gets before it; some events are the library's own.
        finish: finish reason on the span.
        done: whether the stream ends with `[DONE]`.
        absent: thinking where the provider does not tell and shows thinking: what we say.
        unshown: thinking where the provider neither tells nor shows any.
        known_early: what an interrupted stream has told after `answer_at`.
        asynchronous: whether the library has asynchronous clients.
        framing: how the stream is put on the wire.
        headers: of every reply.
        hidden: elements at the end of a stream that are there because we asked for usage.
        wraps_errors: whether the library puts an error of its own around one that breaks a stream off.
        asks: whether we add a question for thinking to the request.
    """

    name: str
    provider: str
    operation: str
    client: Callable[[int, bool], Any]
    create: Callable[[Any, bool], Any]
    whole: Callable[..., dict[str, Any]]
    events: Callable[..., list[dict[str, Any]]]
    answer_at: int
    before_answer: int
    finish: str
    done: bool
    unshown: int | None
    known_early: frozenset[str]
    asynchronous: bool = True
    framing: Framing = SSE
    headers: dict[str, str] = field(default_factory=dict)
    hidden: int = 0
    asks: bool = False
    wraps_errors: bool = False


def is_there(module: str) -> bool:
    """Whether a module is installed, and the packages that it lies in."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


INTERACTIONS = Case(
    "gemini interactions",
    "gcp.gemini",
    "generate_content",
    gemini_client,
    interactions_create,
    interactions_whole,
    interactions_events,
    3,
    3,
    "completed",
    done=True,
    unshown=0,
    known_early=frozenset(),
    wraps_errors=True,
)


CASES = [
    Case(
        "openai chat",
        "openai",
        "chat",
        chat_client,
        chat_create,
        chat_whole,
        chat_events,
        2,
        2,
        "stop",
        done=True,
        unshown=None,
        known_early=frozenset(),
        hidden=1,
    ),
    Case(
        "openai responses",
        "openai",
        "chat",
        chat_client,
        responses_create,
        responses_whole,
        responses_events,
        2,
        2,
        "completed",
        done=False,
        unshown=None,
        known_early=frozenset(),
    ),
    Case(
        "anthropic messages",
        "anthropic",
        "chat",
        messages_client,
        messages_create,
        messages_whole,
        messages_events,
        5,
        5,
        "end_turn",
        done=False,
        unshown=0,
        known_early=frozenset({"input", "cached"}),
    ),
    Case(
        "gemini generate_content",
        "gcp.gemini",
        "generate_content",
        gemini_client,
        gemini_create,
        gemini_whole,
        gemini_events,
        1,
        1,
        "STOP",
        done=False,
        unshown=0,
        known_early=frozenset({"input", "cached"}),
    ),
    *([INTERACTIONS] if is_there("google.genai._gaos") else []),  # newer releases
    Case(
        "groq",
        "groq",
        "chat",
        own_groq_client,
        groq_create,
        chat_whole,
        groq_events,
        2,
        2,
        "stop",
        done=True,
        unshown=None,
        known_early=frozenset(),
    ),
    Case(
        "mistral",
        "mistral_ai",
        "chat",
        MistralClient,
        mistral_create,
        mistral_whole,
        mistral_events,
        2,
        2,
        "stop",
        done=True,
        unshown=None,
        known_early=frozenset(),
    ),
    Case(
        "bedrock converse",
        "aws.bedrock",
        "chat",
        boto3_client,
        converse_create,
        converse_whole,
        converse_events,
        3,
        3,
        "end_turn",
        done=False,
        unshown=0,
        known_early=frozenset(),
        asynchronous=False,
        framing=AMAZON,
        headers={"x-amzn-requestid": "reply-1"},
        asks=True,
    ),
    Case(
        "bedrock invoke",
        "aws.bedrock",
        "chat",
        boto3_client,
        invoke_create,
        messages_whole,
        invoke_events,
        5,
        5,
        "end_turn",
        done=False,
        unshown=0,
        known_early=frozenset({"input", "cached"}),
        asynchronous=False,
        framing=AMAZON,
    ),
]
