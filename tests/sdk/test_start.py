"""Attributes that are known when a span starts: written then where somebody looks, at its end otherwise."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, SamplingResult

import thinkmeter
from tests.sdk.clients import openai_client
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.openai import chat_create, chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names

AT_START = {names.OPERATION_NAME, names.PROVIDER_NAME, names.REQUEST_MODEL, names.SERVER_ADDRESS}


class Onlooker(SpanProcessor):
    """Keeps what a span has when it starts."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.seen.append(dict(span.attributes or {}))


class Choosy(Sampler):
    """Keeps no span of a model that is not named."""

    def should_sample(self, *asked: Any, **more: Any) -> SamplingResult:
        attributes: Any = more.get("attributes", asked[4] if len(asked) > 4 else None)
        assert attributes[names.REQUEST_MODEL]
        return ALWAYS_ON.should_sample(*asked, **more)

    def get_description(self) -> str:
        return "Choosy"


def finished(
    server: ProviderServer, application: TracerProvider, call: Callable[[openai.OpenAI], object]
) -> ReadableSpan:
    """The span of one call that an application with that tracer provider makes."""
    exporter = InMemorySpanExporter()
    application.add_span_processor(SimpleSpanProcessor(exporter))
    server.reply(chat_whole(Told()))
    thinkmeter.instrument(tracer_provider=application)
    try:
        with openai_client(server.port) as client:
            call(client)
        assert thinkmeter.health().faults == 0
    finally:
        thinkmeter.uninstrument()
    (span,) = (span for span in exporter.get_finished_spans() if span.name.startswith("chat"))
    return span


def plainly(client: openai.OpenAI) -> None:
    chat_create(client, False)


@pytest.mark.parametrize("sampler", [None, ParentBased(ALWAYS_ON), Choosy(), ParentBased(Choosy())])
def test_a_span_ends_up_the_same_whoever_looks(provider: ProviderServer, sampler: Sampler | None) -> None:
    told = []
    for watched in (False, True):
        application, onlooker = TracerProvider(sampler=sampler, shutdown_on_exit=False), Onlooker()
        if watched:
            application.add_span_processor(onlooker)
        attributes = dict(finished(provider, application, plainly).attributes or {})
        assert AT_START <= attributes.keys()
        assert attributes[names.REASONING_OUTPUT_TOKENS] == Told().thinking
        attributes.pop(names.SERVER_PORT, None)
        told.append(attributes)
        if watched:
            assert AT_START <= onlooker.seen[-1].keys()
    assert told[0] == told[1]


def test_one_who_begins_to_look_later_sees_everything(provider: ProviderServer) -> None:
    application, onlooker = TracerProvider(shutdown_on_exit=False), Onlooker()

    provider.reply(chat_whole(Told()))
    thinkmeter.instrument(tracer_provider=application)
    with openai_client(provider.port) as client:
        chat_create(client, False)
        application.add_span_processor(onlooker)
        provider.reply(chat_whole(Told()))
        with thinkmeter.request("later"):
            chat_create(client, False)
    thinkmeter.uninstrument()
    assert AT_START | {names.TASK} <= onlooker.seen[-1].keys()


def test_what_the_application_says_is_held_against_the_rules(
    provider: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    def within(client: openai.OpenAI) -> None:
        with thinkmeter.request("t", good="yes", bad=object()):  # type: ignore[arg-type]
            chat_create(client, False)

    attributes = finished(provider, TracerProvider(shutdown_on_exit=False), within).attributes or {}
    assert attributes["good"] == "yes"
    assert attributes["bad"] is None
    assert "Invalid type `<class 'object'>`" in caplog.text
