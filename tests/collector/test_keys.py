"""Keys open the door for their project and scope; without keys only this machine may come in."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from thinkmeter.collector.keys import Keys
from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings, KeySettings, Scope
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

KEYS = [
    KeySettings(key=SecretStr("key-of-alpha"), project="alpha"),
    KeySettings(key_env="BETA_KEY", project="beta", scopes=frozenset({Scope.LABEL})),
]
NOWHERE = StoreAddress("127.0.0.1", 1)


def keys() -> Keys:
    return Keys(KEYS, {"BETA_KEY": "key-of-beta"})


def test_a_key_names_its_project() -> None:
    assert keys().project("Bearer key-of-alpha", None, Scope.INGEST) == "alpha"
    assert keys().project("bearer  key-of-alpha ", None, Scope.LABEL) == "alpha"
    assert keys().project(None, "key-of-beta", Scope.LABEL) == "beta"


@pytest.mark.parametrize(
    ("authorization", "api_key", "problem"),
    [
        (None, None, "a key is needed"),
        ("Bearer wrong", None, "unknown"),
        (None, "", "unknown"),
        ("Bearer", None, "not of the form"),
        ("Basic a2V5", None, "not of the form"),
        ("Bearer key-of-alph\udcff", None, "unknown"),
    ],
)
def test_no_key_no_entry(authorization: str | None, api_key: str | None, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as refused:
        keys().project(authorization, api_key, Scope.INGEST)
    assert refused.value.reason is Reason.UNAUTHENTICATED


def test_a_key_does_what_its_scopes_say() -> None:
    with pytest.raises(Refused, match="lacks the scope ingest; it has label") as refused:
        keys().project(None, "key-of-beta", Scope.INGEST)
    assert refused.value.reason is Reason.FORBIDDEN


def test_without_keys_all_is_the_default_project() -> None:
    assert Keys([]).project(None, None, Scope.INGEST) == "default"


def test_keys_are_not_shown() -> None:
    assert "key-of-alpha" not in repr(KEYS)


def test_a_missing_variable_and_a_repeated_key_are_named() -> None:
    with pytest.raises(ThinkmeterError, match="number 2: the environment variable BETA_KEY is not set"):
        Keys(KEYS, {})
    with pytest.raises(ThinkmeterError, match="number 2 has the same key"):
        Keys([KEYS[0], KEYS[0]])


@pytest.mark.parametrize(
    "entry", [{}, {"key": "long-enough", "key_env": "A"}, {"key": "short"}, {"key": "long-enough", "scopes": ["admin"]}]
)
def test_an_entry_that_says_too_little_or_too_much_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KeySettings.model_validate(entry)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "collector.internal"])
def test_without_keys_only_loopback_is_opened(tmp_path: Path, host: str) -> None:
    with pytest.raises(ThinkmeterError, match=r"no \[\[auth.keys\]\] are configured"):
        Collector(NOWHERE, tmp_path, CollectorSettings(host=host))
    Collector(NOWHERE, tmp_path, CollectorSettings(host=host), [KEYS[0]])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_needs_no_keys(tmp_path: Path, host: str) -> None:
    Collector(NOWHERE, tmp_path, CollectorSettings(host=host))
