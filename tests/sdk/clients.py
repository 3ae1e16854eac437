"""Real provider clients whose requests for the provider's own address end at a server on the loopback."""

import functools
import inspect
from typing import Any

import httpx2


def _rerouted(http: Any) -> tuple[Any, Any]:
    """Transports of an HTTP library that send every request to a port of this machine, whatever its host."""

    class Rerouted(http.HTTPTransport):  # type: ignore[misc]  # either library
        def __init__(self, port: int) -> None:
            super().__init__(verify=False)  # plain HTTP in the end
            self._port = port

        def handle_request(self, request: Any) -> Any:
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
            return super().handle_request(request)

    class AsyncRerouted(http.AsyncHTTPTransport):  # type: ignore[misc]  # either library
        def __init__(self, port: int) -> None:
            super().__init__(verify=False)  # plain HTTP in the end
            self._port = port

        async def handle_async_request(self, request: Any) -> Any:
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
            return await super().handle_async_request(request)

    return Rerouted, AsyncRerouted


Rerouted, AsyncRerouted = _rerouted(httpx2)


def _http_client(core: Any, port: int, *, asynchronous: bool = False) -> Any:
    """An HTTP client of the library under that client library: httpx2, or httpx under older releases."""
    http = getattr(core, "httpx2", None) or core.httpx
    sync, async_ = (Rerouted, AsyncRerouted) if http is httpx2 else _rerouted(http)
    return http.AsyncClient(transport=async_(port)) if asynchronous else http.Client(transport=sync(port))


def openai_client(port: int, base_url: str = "https://api.openai.com/v1", **options: Any) -> Any:
    """An OpenAI client."""
    import openai

    http_client = _http_client(openai._base_client, port)
    return openai.OpenAI(api_key="k", base_url=base_url, max_retries=0, http_client=http_client, **options)


def async_openai_client(port: int, base_url: str = "https://api.openai.com/v1", **options: Any) -> Any:
    """An asynchronous OpenAI client."""
    import openai

    http_client = _http_client(openai._base_client, port, asynchronous=True)
    return openai.AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0, http_client=http_client, **options)


def anthropic_client(port: int, **options: Any) -> Any:
    """An Anthropic client."""
    import anthropic

    http_client = _http_client(anthropic._base_client, port)
    return anthropic.Anthropic(api_key="k", max_retries=0, http_client=http_client, **options)


def async_anthropic_client(port: int, **options: Any) -> Any:
    """An asynchronous Anthropic client."""
    import anthropic

    http_client = _http_client(anthropic._base_client, port, asynchronous=True)
    return anthropic.AsyncAnthropic(api_key="k", max_retries=0, http_client=http_client, **options)


def google_client(port: int, *, vertex: bool = False) -> Any:
    """A google-genai client, for the Gemini API or for Vertex AI."""
    from google import genai
    from google.genai import types
    from google.oauth2.credentials import Credentials

    plain = {"verify": False}  # loading certificates takes longer than the rest of a test
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{port}", client_args=plain, async_client_args=plain)
    if vertex:
        return genai.Client(
            vertexai=True,
            project="p",
            location="global",
            credentials=Credentials(token="t"),  # type: ignore[no-untyped-call]
            http_options=options,
        )
    return genai.Client(api_key="k", http_options=options)


def groq_client(port: int, **options: Any) -> Any:
    """A Groq client."""
    import groq

    return groq.Groq(api_key="k", base_url=f"http://127.0.0.1:{port}", max_retries=0, **options)


def async_groq_client(port: int, **options: Any) -> Any:
    """An asynchronous Groq client."""
    import groq

    return groq.AsyncGroq(api_key="k", base_url=f"http://127.0.0.1:{port}", max_retries=0, **options)


class MistralClient:
    """A Mistral client, which has synchronous and asynchronous methods; here it has one kind, under one name."""

    def __init__(self, port: int, asynchronous: bool, server_url: str = "https://api.mistral.ai") -> None:
        from mistralai.client import Mistral

        self._sync = httpx2.Client(transport=Rerouted(port), follow_redirects=True)
        self._async = httpx2.AsyncClient(transport=AsyncRerouted(port), follow_redirects=True)
        self.client = Mistral(api_key="k", server_url=server_url, client=self._sync, async_client=self._async)
        self._suffix = "_async" if asynchronous else ""

    def complete(self, **asked: Any) -> Any:
        return getattr(self.client.chat, f"complete{self._suffix}")(**asked)

    def stream(self, **asked: Any) -> Any:
        return getattr(self.client.chat, f"stream{self._suffix}")(**asked)

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        self._sync.close()
        await self._async.aclose()


@functools.cache
def _boto3_session() -> Any:
    """A session: it reads the descriptions of services, which takes longer than a test."""
    import boto3

    return boto3.Session("an id", "a secret", region_name="us-east-1")


def bedrock_client(port: int, **options: Any) -> Any:
    """A client of Amazon Bedrock's runtime."""
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1})
    return _boto3_session().client("bedrock-runtime", endpoint_url=f"http://127.0.0.1:{port}", config=config, **options)


def fitted(method: Any, **asked: Any) -> dict[str, Any]:
    """Arguments of a method; those that an older release has no parameter for go into the body all the same."""
    named = inspect.signature(method).parameters
    given = {name: value for name, value in asked.items() if name in named}
    further = {name: value for name, value in asked.items() if name not in named}
    return {**given, "extra_body": further} if further else given
