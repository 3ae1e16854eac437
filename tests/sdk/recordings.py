"""Recordings of real provider traffic, as others published them: what was sent, what came back, what it means."""

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.sdk.provider_server import Answer


@dataclass(frozen=True)
class Recording:
    """One exchange.

    Attributes:
        name: file and position.
        provider: whose API it is.
        api: `chat_completions`, `responses`, `messages`, `generate_content`, ...
        url: where the request went.
        sent: its body.
        answer: what came back.
        index: the entry of `index.json` with the expected counts.
    """

    name: str
    provider: str
    api: str
    url: str
    sent: dict[str, Any]
    answer: Answer
    index: dict[str, Any]

    @property
    def base_url(self) -> str:
        """The client's base URL: without what the client library adds to it."""
        parts = urlsplit(self.url)
        path = re.sub(r"/(chat/completions|responses|v1/messages)$", "", parts.path)
        return f"{parts.scheme}://{parts.netloc}{path}"


def load_recordings(folder: Path, apis: set[tuple[str, str]]) -> list[Recording]:
    """Every HTTP exchange of those (provider, api) pairs in a folder with an `index.json`."""
    found = []
    for entry in json.loads((folder / "index.json").read_text()):
        calls = [call for call in entry["calls"] if (call["provider"], call["api"]) in apis]
        if not calls:
            continue
        with (folder / entry["file"]).open() as file:
            interactions = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["interactions"]
        found += [_recording(entry["file"], call, interactions[call["n"]]) for call in calls]
    return found


def _recording(file: str, call: dict[str, Any], interaction: dict[str, Any]) -> Recording:
    request, response = interaction["request"], interaction["response"]
    sent = request["parsed_body"] if "parsed_body" in request else json.loads(request["body"])
    content_type = {name.lower(): value for name, value in response["headers"].items()}.get("content-type", [""])[0]
    body = _body(response)
    streamed = call["streamed"]
    chunks = re.findall(rb".+?(?:\r\n\r\n|\n\n|\Z)", body, re.DOTALL) if streamed else [body]
    answer = Answer(chunks, response["status"]["code"], "text/event-stream" if streamed else content_type)
    name = f"{file}[{call['n']}]"
    return Recording(name, call["provider"], call["api"], request["uri"], sent, answer, call)


def _body(response: dict[str, Any]) -> bytes:
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"]).encode()
    text: str | bytes = response["body"]["string"]
    content = text.encode() if isinstance(text, str) else text
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
