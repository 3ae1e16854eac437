"""Planned calls through the providers' own clients, as an application makes them."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from thinkmeter.demo.answer import answer_of
from thinkmeter.demo.plan import PlannedCall
from thinkmeter.schema.errors import ThinkmeterError

try:
    import anthropic
    import openai
    from google import genai
    from google.genai.errors import APIError as GeminiError
    from google.genai.models import AsyncModels, Models
    from google.genai.types import HttpOptions, HttpRetryOptions
except ModuleNotFoundError as error:
    raise ThinkmeterError(
        f"the demo calls the providers' clients, and {error.name} is missing: pip install 'thinkmeter[server,demo]'"
    ) from error

PROMPT: Final = "A request of the demo; what is answered is decided by its plan."
KEY: Final = "demo"
MAX_RETRIES: Final = 3
PROVIDER_ERRORS: Final = (openai.APIError, anthropic.APIError, GeminiError)
"""What the clients raise where a provider refuses."""

Arguments = dict[str, Any]


class Clients:
    """Sync clients of OpenAI, Anthropic and Gemini that speak to one server; a context manager."""

    def __init__(self, url: str) -> None:
        """Clients for the server at `url`, which has no path."""
        self._openai = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=MAX_RETRIES)
        self._anthropic = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=MAX_RETRIES)
        self._gemini = genai.Client(api_key=KEY, http_options=_gemini_options(url))

    def __enter__(self) -> Self:
        """The clients themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close their connections."""
        self._openai.close()
        self._anthropic.close()
        self._gemini.close()

    def send(self, call: PlannedCall) -> list[Any]:
        """Make the call and read its answer to the end: the reply, or the events of its stream.

        Raises:
            one of `PROVIDER_ERRORS`: the plan has an error.
        """
        method = _method(call, self._openai, self._anthropic, self._gemini.models)
        reply = method(**arguments(call))
        return list(reply) if call.stream else [reply]


class AsyncClients:
    """The same, async; an async context manager."""

    def __init__(self, url: str) -> None:
        """Clients for the server at `url`, which has no path."""
        self._openai = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=MAX_RETRIES)
        self._anthropic = anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=MAX_RETRIES)
        self._gemini = genai.Client(api_key=KEY, http_options=_gemini_options(url)).aio

    async def __aenter__(self) -> Self:
        """The clients themselves."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close their connections."""
        await self._openai.close()
        await self._anthropic.close()
        await self._gemini.aclose()

    async def send(self, call: PlannedCall) -> list[Any]:
        """Make the call and read its answer to the end: the reply, or the events of its stream.

        Raises:
            one of `PROVIDER_ERRORS`: the plan has an error.
        """
        method = _method(call, self._openai, self._anthropic, self._gemini.models)
        reply = await method(**arguments(call))
        return [event async for event in reply] if call.stream else [reply]


def _method(
    call: PlannedCall,
    openai_client: openai.OpenAI | openai.AsyncOpenAI,
    anthropic_client: anthropic.Anthropic | anthropic.AsyncAnthropic,
    gemini_models: Models | AsyncModels,
) -> Callable[..., Any]:
    match call.model.api:
        case "openai.chat":
            return openai_client.chat.completions.create
        case "openai.responses":
            return openai_client.responses.create
        case "anthropic.messages":
            return anthropic_client.messages.create
        case "gemini.generate_content":
            return gemini_models.generate_content_stream if call.stream else gemini_models.generate_content


def arguments(call: PlannedCall) -> Arguments:
    """What the client's method is called with."""
    headers = answer_of(call).header()
    messages = [{"role": "user", "content": PROMPT}]
    match call.model.api:
        case "openai.chat":
            effort = {"reasoning_effort": call.effort} if call.effort else {}
            common = {"messages": messages, "extra_headers": headers, **_service_tier(call), **_stream(call)}
            return {"model": call.model.name, **common, **effort}
        case "openai.responses":
            reasoning = {"effort": call.effort, "summary": "auto"}
            common = {"input": PROMPT, "extra_headers": headers, **_service_tier(call), **_stream(call)}
            return {"model": call.model.name, "reasoning": reasoning, **common}
        case "anthropic.messages":
            common = {"messages": messages, "extra_headers": headers, **_stream(call)}
            return {"model": call.model.name, "max_tokens": 16_000, **_anthropic_thinking(call), **common}
        case "gemini.generate_content":
            thinking: Arguments = {"thinking_budget": 0}
            if call.thinking_tokens:
                thinking = {"thinking_level": call.effort, "include_thoughts": True}
            config = {"thinking_config": thinking, "http_options": {"headers": headers}}
            return {"model": call.model.name, "contents": PROMPT, "config": config}


def _stream(call: PlannedCall) -> Arguments:
    return {"stream": True} if call.stream else {}


def _service_tier(call: PlannedCall) -> Arguments:
    return {} if call.service_tier == "standard" else {"service_tier": call.service_tier}


def _anthropic_thinking(call: PlannedCall) -> Arguments:
    if call.budget_tokens:
        return {"thinking": {"type": "enabled", "budget_tokens": call.budget_tokens}}
    if call.effort:
        return {"thinking": {"type": "adaptive"}, "output_config": {"effort": call.effort}}
    return {"thinking": {"type": "disabled"}}


def _gemini_options(url: str) -> HttpOptions:
    retries = HttpRetryOptions(attempts=MAX_RETRIES + 1, initial_delay=0.02, max_delay=0.1, http_status_codes=[429])
    return HttpOptions(base_url=url, retry_options=retries)
