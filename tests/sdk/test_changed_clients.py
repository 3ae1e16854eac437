"""A client library that is otherwise inside than we know: its calls go through untouched, and one warning says so."""

import json
import re
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sdk.programs import run
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_whole
from tests.sdk.replies.bedrock import converse_whole
from tests.sdk.replies.google import gemini_whole
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told

TOLD = Told()
RENAMED = """

_request = SyncAPIClient.request


def request(self, kind, prepared, **more):
    return _request(self, kind, prepared, **more)


SyncAPIClient.request = request
"""


def renamed(pattern: str, to: str) -> Callable[[str], str]:
    """An alteration of a module's text that must find something to alter."""

    def alter(text: str) -> str:
        altered, count = re.subn(pattern, to, text)
        assert count
        return altered

    return alter


@dataclass(frozen=True)
class Change:
    """One library, altered.

    Attributes:
        library: its name here.
        files: file of the package -> alteration.
        reason: what we say.
        call: makes a call and gives the reply's text.
        reply: what the server answers.
    """

    library: str
    files: dict[str, Callable[[str], str]]
    reason: str
    call: str
    reply: dict[str, object]


OPENAI = (
    "import openai\n"
    "client = openai.OpenAI(api_key='k', base_url=url, max_retries=0)\n"
    "text = client.chat.completions.create(model='gpt-5', messages=[]).choices[0].message.content\n"
    "client.close()"
)
CHANGES = {
    "openai, method gone": Change(
        "openai",
        {"openai/_base_client.py": renamed(r"(def |self\.|_client\.)request\(", r"\1dispatch(")},
        "openai._base_client has no SyncAPIClient.request",
        OPENAI,
        chat_whole(TOLD),
    ),
    "openai, other parameters": Change(
        "openai",
        {"openai/_base_client.py": lambda text: text + RENAMED},
        "openai._base_client.SyncAPIClient.request takes no cast_to, options, stream",
        OPENAI,
        chat_whole(TOLD),
    ),
    "openai, other fields": Change(
        "openai",
        {
            "openai/_base_client.py": renamed(r"\bjson_data\b", "json_payload"),
            "openai/_models.py": renamed(r"\bjson_data\b", "json_payload"),
        },
        "openai._base_client has no FinalRequestOptions.json_data",
        OPENAI,
        chat_whole(TOLD),
    ),
    "anthropic, method gone": Change(
        "anthropic",
        {"anthropic/_base_client.py": renamed(r"(def |self\.|_client\.)request\(", r"\1dispatch(")},
        "anthropic._base_client has no SyncAPIClient.request",
        "import anthropic\n"
        "client = anthropic.Anthropic(api_key='k', base_url=url, max_retries=0)\n"
        "text = client.messages.create(model='claude', max_tokens=9, messages=[]).content[-1].text\n"
        "client.close()",
        messages_whole(TOLD),
    ),
    "google-genai, method gone": Change(
        "google_genai",
        {"google/genai/models.py": renamed(r"(?<![a-z])_generate_content\(", "_send_content(")},
        "google.genai.models has no Models._generate_content",
        "from google import genai\n"
        "client = genai.Client(api_key='k', http_options={'base_url': url})\n"
        "text = client.models.generate_content(model='gemini-3', contents='x').text\n"
        "client.close()",
        gemini_whole(TOLD),
    ),
    "boto3, method gone": Change(
        "boto3",
        {"botocore/client.py": renamed(r"\b_make_api_call\(", "_perform_api_call(")},
        "botocore.client has no BaseClient._make_api_call",
        "import boto3\n"
        "client = boto3.client('bedrock-runtime', endpoint_url=url, region_name='r',"
        " aws_access_key_id='a', aws_secret_access_key='s')\n"
        "reply = client.converse(modelId='m', messages=[{'role': 'user', 'content': [{'text': 'x'}]}])\n"
        "text = reply['output']['message']['content'][-1]['text']\n"
        "client.close()",
        converse_whole(TOLD),
    ),
}
SCRIPT = """
import json, sys
sys.path.insert(0, {folder!r})
import thinkmeter, thinkmeter.sdk.testing
url = {url!r}
for turn in range(2):
    with thinkmeter.sdk.testing.capture() as captured:
{call}
        assert text == "42", text
        health = thinkmeter.health()
print(json.dumps([client.__class__.__module__, sys.modules[{module!r}].__file__, health.unmeasured, health.faults,
                  len(captured.calls)]))
"""


def altered(folder: Path, files: dict[str, Callable[[str], str]]) -> None:
    """Put a copy of a package there in which these files are others; all the rest are links."""
    installed = Path(sysconfig.get_paths()["purelib"])
    for name, alter in files.items():
        target = folder / name
        original = installed / name
        if not target.parent.exists():
            target.parent.mkdir(parents=True)
            for entry in original.parent.iterdir():
                (target.parent / entry.name).symlink_to(entry)
        target.unlink()
        target.write_text(alter(original.read_text()))


@pytest.mark.parametrize("name", CHANGES)
def test_a_client_that_changed_works_unmeasured_with_one_warning(
    provider: ProviderServer, tmp_path: Path, name: str
) -> None:
    change = CHANGES[name]
    altered(tmp_path, change.files)
    file = next(iter(change.files))
    script = SCRIPT.format(
        folder=str(tmp_path),
        url=provider.url,
        call=re.sub("(?m)^", "        ", change.call),
        module=file.removesuffix(".py").replace("/", "."),
    )
    for _ in range(2):
        provider.reply(change.reply)
    done = run(script, PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0, done.stderr
    _, loaded, unmeasured, faults, calls = json.loads(done.stdout)
    assert loaded == str(tmp_path / file)
    assert (unmeasured, faults, calls) == ({change.library: change.reason}, 0, 0)
    assert done.stderr.count("are not measured") == 1
    assert change.reason in done.stderr
    assert len(provider.bodies) == 2
    assert "stream_options" not in provider.bodies[0]
