"""Each provider's page: its example runs as it stands, and is measured."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.collector_server import CollectorServer, attributes_of
from tests.sdk.programs import run
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_whole
from tests.sdk.replies.bedrock import converse_whole
from tests.sdk.replies.google import gemini_whole
from tests.sdk.replies.mistral import mistral_whole
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.providers import LIBRARIES

FOLDER = Path(__file__).parents[2] / "docs" / "providers"


@dataclass(frozen=True)
class Page:
    """What the example of a page needs, and what becomes of it."""

    environment: dict[str, str]
    reply: dict[str, Any]
    provider: str
    tier: int


KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
PAGES = {
    "openai": Page({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "{url}"}, chat_whole(Told()), "openai", 1),
    "compatible": Page({}, chat_whole(Told()), "deepseek", 2),
    "anthropic": Page(
        {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "{url}"}, messages_whole(Told()), "anthropic", 3
    ),
    "google_genai": Page(
        {"GEMINI_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": "{url}"}, gemini_whole(Told()), "gcp.gemini", 2
    ),
    "groq": Page({"GROQ_API_KEY": "k", "GROQ_BASE_URL": "{url}"}, chat_whole(Told()), "groq", 1),
    "mistralai": Page({"MISTRAL_API_KEY": "k", "MISTRAL_SERVER_URL": "{url}"}, mistral_whole(Told()), "mistral_ai", 2),
    "boto3": Page({**KEYS, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "{url}"}, converse_whole(Told()), "aws.bedrock", 3),
}

PAGES_BESIDE = {
    "litellm": Page({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_API_BASE": "{url}"}, messages_whole(Told()), "anthropic", 2),
}
"""Those whose libraries have an environment of their own: `make beside` runs them."""


@pytest.mark.parametrize("name", PAGES)
def test_the_example_of_a_page_runs_as_it_stands(
    provider: ProviderServer, collector: CollectorServer, name: str
) -> None:
    run_page(provider, collector, name, PAGES[name])


def run_page(
    provider: ProviderServer, collector: CollectorServer, name: str, page: Page, python: str = sys.executable
) -> None:
    """Run the example and see that it is measured."""
    (code,) = re.findall(r"```python\n(.*?)```", (FOLDER / f"{name}.md").read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    provider.reply(page.reply)
    code = code.replace("https://api.deepseek.com", provider.url)  # an address that no variable changes
    environment = {variable: value.format(url=provider.url) for variable, value in page.environment.items()}
    if python != sys.executable:
        environment["PYTHONPATH"] = str(FOLDER.parents[1] / "src")
    warnings = "error" if python == sys.executable else "ignore"
    done = run(code, python, warnings, **environment, THINKMETER_ENDPOINT=collector.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "42\n"
    (call,) = [a for a in (attributes_of(s.attributes) for s in collector.spans) if names.OPERATION_NAME in a]
    expected = {
        names.PROVIDER_NAME: page.provider,
        names.TASK: "arithmetic",
        names.TIER: page.tier,
        names.INPUT_TOKENS: 1200,
        names.OUTPUT_TOKENS: 640,
        names.REASONING_OUTPUT_TOKENS: 512,
    }
    assert call.items() >= expected.items()


def test_every_library_has_a_page_and_every_page_is_run() -> None:
    pages = {page.stem for page in FOLDER.glob("*.md")} - {"README", "own"}
    assert pages == PAGES.keys() | PAGES_BESIDE.keys() | {"xai_sdk"}  # run by beside/test_xai.py
    listed = (FOLDER / "README.md").read_text()
    assert {library.name for library in LIBRARIES} == pages - {"compatible"}
    assert [name for name in pages if f"({name}.md)" not in listed] == []
    assert [library.name for library in LIBRARIES if f"`{library.name}`" not in listed] == []
