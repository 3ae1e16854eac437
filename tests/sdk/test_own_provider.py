"""A provider that another package adds by an entry point: the one in the documentation, installed and used."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.programs import run
from tests.sdk.provider_server import ProviderServer
from thinkmeter.schema import attributes as names

PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "own.md").read_text()
LIBRARY = '''
"""A client library that knows nothing of thinkmeter."""
import asyncio, json, urllib.request


class Client:
    def __init__(self, port):
        self.host, self.port = "127.0.0.1", port

    def _pieces(self, body):
        data = json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}/", data)) as response:
            for line in response:
                yield json.loads(line)

    def _think(self, body):
        (reply,) = self._pieces(body)
        return reply

    def think(self, model, prompt, **options):
        return self._think({"model": model, "prompt": prompt, **options})

    def stream(self, model, prompt, **options):
        yield from self._pieces({"model": model, "prompt": prompt, "stream": True, **options})


class AsyncClient(Client):
    async def think(self, model, prompt, **options):
        return await asyncio.to_thread(self._think, {"model": model, "prompt": prompt, **options})

    async def stream(self, model, prompt, **options):
        for piece in self._pieces({"model": model, "prompt": prompt, "stream": True, **options}):
            yield piece
'''
LAST = {"id": "reply-1", "model": "acme-2", "answer": "42", "stopped": "end"}
USAGE = {"input": 1200, "output": 640, "thinking": 512}
RUN = """
import asyncio, json, sys
import thinkmeter, thinkmeter.sdk.testing
assert "acme" not in sys.modules
with thinkmeter.sdk.testing.capture({arguments}) as captured:
    assert "acme" not in sys.modules
    from acme.client import AsyncClient, Client
    client, async_client = Client({port}), AsyncClient({port})
{body}
    found = [dict(call) for call in captured.calls]
    print(json.dumps([found, captured.faults, thinkmeter.health().unmeasured], default=list))
"""


def install(folder: Path, module: str, name: str, target: str) -> None:
    """Put a distribution there, as an installer would."""
    info = folder / f"thinkmeter_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: thinkmeter-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[thinkmeter.providers]\n{name} = {target}\n")
    (folder / f"{target.partition(':')[0]}.py").write_text(module)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the documented provider and the library that it is for."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) < 60
    target = re.findall(r'^acme = "(.*)"$', PAGE, re.MULTILINE)[0]
    install(tmp_path, code, "acme", target)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "__init__.py").write_text("")
    (tmp_path / "acme" / "client.py").write_text(LIBRARY)
    return tmp_path


Measure = Callable[..., tuple[list[dict[str, Any]], str]]


@pytest.fixture
def measure(installed: Path, provider: ProviderServer) -> Measure:
    """Runs code with the provider installed, and gives the calls and what was said on the error stream."""

    def run_it(body: str, arguments: str = "", unmeasured: Any = None) -> tuple[list[dict[str, Any]], str]:
        script = RUN.format(port=provider.port, arguments=arguments, body=re.sub("(?m)^", "    ", body))
        done = run(f"import sys; sys.path.insert(0, {str(installed)!r})\n{script}")
        assert done.returncode == 0, done.stderr
        calls, faults, off = json.loads(done.stdout)
        assert faults == 0
        assert off == (unmeasured or {})
        return calls, done.stderr

    return run_it


@pytest.mark.parametrize(
    "body",
    [
        "assert client.think('acme-2', 'x', effort='high')['answer'] == '42'",
        "asyncio.run(async_client.think(model='acme-2', prompt='x', effort='high'))",
        "assert [p['answer'] for p in client.stream(model='acme-2', prompt='x', effort='high')] == ['4', '42']",
        "async def read():\n"
        "    assert len([p async for p in async_client.stream(model='acme-2', prompt='x', effort='high')]) == 2\n"
        "asyncio.run(read())",
    ],
    ids=["whole", "async whole", "streamed", "async streamed"],
)
def test_the_documented_provider_is_measured(provider: ProviderServer, measure: Measure, body: str) -> None:
    last = {**LAST, "usage": USAGE}
    pieces: list[dict[str, Any]] = [last] if "think" in body else [{**LAST, "answer": "4", "stopped": None}, last]
    answer(provider, pieces)
    (call,), _ = measure(body)
    expected = {
        names.PROVIDER_NAME: "acme",
        names.REQUEST_MODEL: "acme-2",
        names.RESPONSE_MODEL: "acme-2",
        names.RESPONSE_ID: "reply-1",
        names.INPUT_TOKENS: 1200,
        names.OUTPUT_TOKENS: 640,
        names.REASONING_OUTPUT_TOKENS: 512,
        names.THINKING_SOURCE: "provider",
        names.REQUEST_REASONING_LEVEL: "high",
        names.SERVER_ADDRESS: "127.0.0.1",
    }
    assert call.items() >= expected.items()


def test_it_is_cut_refused_and_untold_as_every_other(provider: ProviderServer, measure: Measure) -> None:
    answer(provider, [{**LAST, "answer": "4", "stopped": None}, {**LAST, "usage": USAGE}])
    answer(provider, [{**LAST, "usage": {"input": 1, "output": 2}}])
    answer(provider, [LAST])
    answer(provider, [LAST], status=400)
    (cut, untold, nothing, refused), _ = measure(
        "for piece in client.stream(model='acme-2', prompt='x'): break\n"
        "client.think(model='acme-2', prompt='x')\n"
        "client.think(model='acme-2', prompt='x')\n"
        "try: client.think(model='acme-2', prompt='x')\n"
        "except OSError: pass"
    )
    assert cut[names.RESPONSE_FINISH_REASONS] == ["error"]
    assert names.OUTPUT_TOKENS not in cut
    assert (untold[names.OUTPUT_TOKENS], untold[names.THINKING_SOURCE]) == (2, "missing")
    assert not {names.INPUT_TOKENS, names.REASONING_OUTPUT_TOKENS} & nothing.keys()
    assert refused[names.ERROR_TYPE] == "HTTPError"


def test_a_method_that_returns_a_coroutine_without_being_one_is_measured_when_it_is_awaited(
    installed: Path, provider: ProviderServer, measure: Measure
) -> None:
    library = installed / "acme" / "client.py"
    plain = (
        library.read_text()
        .replace("    async def think(", "    def think(")
        .replace("return await asyncio", "return asyncio")
    )
    library.write_text(plain)
    answer(provider, [{**LAST, "usage": USAGE}])
    answer(provider, [LAST], status=400)
    (call, refused), _ = measure(
        "asyncio.run(async_client.think('acme-2', 'x'))\n"
        "try: asyncio.run(async_client.think('acme-2', 'x'))\n"
        "except OSError: pass"
    )
    assert (call[names.OUTPUT_TOKENS], call[names.REASONING_OUTPUT_TOKENS]) == (640, 512)
    assert refused[names.ERROR_TYPE] == "HTTPError"


def test_the_cap_on_thinking_holds_for_it_too(provider: ProviderServer, measure: Measure) -> None:
    answer(provider, [{**LAST, "usage": USAGE}])
    (call,), _ = measure(
        "client.think(model='acme-2', prompt='x', max_thinking=9000)", "max_thinking_tokens=2000, on_exceed='clamp'"
    )
    assert provider.bodies[0]["max_thinking"] == 2000
    assert call[names.THINKING_BUDGET_TOKENS] == 2000


def test_it_is_named_like_every_other(provider: ProviderServer, measure: Measure) -> None:
    answer(provider, [LAST])
    answer(provider, [LAST])
    assert len(measure("client.think(model='m', prompt='x')", "providers=['acme']")[0]) == 1
    assert measure("client.think(model='m', prompt='x')", "providers=['openai']")[0] == []


def test_one_that_cannot_be_loaded_is_said_and_the_others_work(
    installed: Path, provider: ProviderServer, measure: Measure
) -> None:
    install(installed, "raise RuntimeError('broken at import')", "broken", "thinkmeter_broken:Broken")
    answer(provider, [LAST])
    calls, said = measure("client.think(model='m', prompt='x')")
    assert len(calls) == 1
    assert said.count("cannot be loaded and is left out") == 1
    assert "broken at import" in said


def test_a_library_that_changed_is_left_alone(installed: Path, provider: ProviderServer, measure: Measure) -> None:
    library = installed / "acme" / "client.py"
    library.write_text(library.read_text().replace("(self, model, prompt,", "(self, deployment, prompt,"))
    library.write_text(library.read_text().replace('"model": model', '"model": deployment'))
    answer(provider, [LAST])
    reason = "acme.client.Client.think takes no model"
    calls, said = measure("assert client.think('m', prompt='x')['answer'] == '42'", unmeasured={"acme": reason})
    assert calls == []
    assert said.count(reason) == 1


def answer(provider: ProviderServer, pieces: list[dict[str, Any]], status: int = 200) -> None:
    """Answer the next request with a JSON document a line."""
    from tests.sdk.provider_server import Answer

    provider.answers.append(Answer([json.dumps(piece).encode() + b"\n" for piece in pieces], status))
