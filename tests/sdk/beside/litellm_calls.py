"""Calls through litellm, and what is recorded of each, a JSON line a call: its name, spans, and what the caller got.

Run as `python -m tests.sdk.beside.litellm_calls PROVIDER-PORT`, where litellm is installed.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from thinkmeter.sdk import testing

QUESTION = [{"role": "user", "content": "6 x 7?"}]


def calls(port: int) -> dict[str, dict[str, Any]]:
    """Name -> arguments, of every provider whose API has another form."""
    url = f"http://127.0.0.1:{port}"
    return {
        "anthropic": {"model": "anthropic/claude-sonnet-5", "api_base": url, "reasoning_effort": "high"},
        "deepseek": {"model": "deepseek/deepseek-reasoner", "api_base": url},
        "gemini": {"model": "gemini/gemini-3.5-flash", "api_base": f"{url}/models/gemini-3.5-flash"},
        "bedrock": {"model": "bedrock/converse/anthropic.claude-sonnet-5", "aws_bedrock_runtime_endpoint": url},
        "invoke": {"model": "bedrock/invoke/anthropic.claude-sonnet-5", "aws_bedrock_runtime_endpoint": url},
        "openai": {"model": "openai/gpt-5", "api_base": f"{url}/v1"},
    }


def embedders(port: int) -> dict[str, dict[str, Any]]:
    """The same for embeddings."""
    url = f"http://127.0.0.1:{port}"
    gemini = "gemini-embedding-001"
    return {
        "openai": {"model": "openai/text-embedding-3-small", "api_base": f"{url}/v1"},
        "voyage": {"model": "voyage/voyage-3.5", "api_base": f"{url}/v1/embeddings"},
        "gemini": {"model": f"gemini/{gemini}", "api_base": f"{url}/models/{gemini}"},
        "bedrock": {"model": "bedrock/amazon.titan-embed-text-v2:0", "aws_bedrock_runtime_endpoint": url},
    }


def listed(call: Callable[..., Any], **asked: Any) -> list[Any]:
    """What a stream gives."""
    return list(call(**asked))


async def drained(call: Callable[..., Any], **asked: Any) -> list[Any]:
    """What an asynchronous stream gives."""
    return [chunk async for chunk in await call(**asked)]


def ran(call: Callable[..., Any], *arguments: Any, **asked: Any) -> Any:
    """What an asynchronous call gives, in a loop of its own."""
    return asyncio.run(call(*arguments, **asked))


def main() -> None:
    """Make the calls, in the order in which the test answers them."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    port = int(sys.argv[1])
    with testing.capture() as captured:
        import litellm

        litellm.suppress_debug_info = True

        def told(name: str, call: Callable[[], Any]) -> None:
            captured.clear()
            try:
                got = call()
                got = len(got) if isinstance(got, list) else type(got).__name__
            except Exception as error:  # noqa: BLE001 (whichever litellm makes of it)
                got = type(error).__name__
            spans = [{**attributes} for attributes in captured.calls]
            print(json.dumps({"name": name, "spans": spans, "got": got, "faults": captured.faults}), flush=True)

        for name, asked in calls(port).items():
            whole = {"messages": QUESTION, "api_key": "k", "num_retries": 0, **asked}
            streamed = {**whole, "stream": True}
            told(f"{name} whole", partial(litellm.completion, **whole))
            told(f"{name} streamed", partial(listed, litellm.completion, **streamed))
            told(f"{name} async whole", partial(ran, litellm.acompletion, **whole))
            told(f"{name} async streamed", partial(ran, drained, litellm.acompletion, **streamed))
        answer = {"model": "openai/gpt-5", "input": "6 x 7?", "api_base": f"http://127.0.0.1:{port}/v1", "api_key": "k"}
        told("responses whole", partial(litellm.responses, **answer))
        told("responses streamed", partial(listed, litellm.responses, **answer, stream=True))
        for name, asked in embedders(port).items():
            told(f"{name} embeddings", partial(litellm.embedding, input=["x"], api_key="k", **asked))
        asked = {"messages": QUESTION, "api_key": "k", "num_retries": 0, **calls(port)["anthropic"]}
        told("refused", partial(litellm.completion, **asked))

        def left() -> None:
            stream = litellm.completion(**asked, stream=True)
            next(iter(stream))
            stream.close()

        told("left early", left)


if __name__ == "__main__":
    main()
