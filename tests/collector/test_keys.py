"""Keys open the door for their project and scope; without keys only this machine may come in."""

import datetime as dt
import hashlib
import http.client
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from tests.waiting import wait_for
from thinkmeter.collector.keys import Keys
from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings, KeySettings, Scope
from thinkmeter.configuration import load
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
    "entry",
    [
        {},
        {"key": "long-enough", "key_env": "A"},
        {"key": "long-enough", "key_sha256": "0" * 64},
        {"key": "short"},
        {"key_sha256": "abc"},
        {"key": "long-enough", "scopes": ["admin"]},
        {"key": "long-enough", "expires": "2026-01-01T00:00:00"},
    ],
)
def test_an_entry_that_says_too_little_or_too_much_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KeySettings.model_validate(entry)


# --- at rest, in turn, and no more ----------------------------------------------------------------


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def known(keys: Keys, key: str) -> bool:
    try:
        return keys.project(None, key, Scope.INGEST) == "default"
    except Refused:
        return False


def test_the_configuration_needs_only_the_hash_of_a_key() -> None:
    keys = Keys([KeySettings(key_sha256=sha256("key-of-alpha").upper(), project="alpha")])
    assert keys.project("Bearer key-of-alpha", None, Scope.INGEST) == "alpha"
    with pytest.raises(Refused, match="unknown"):
        keys.project(None, sha256("key-of-alpha"), Scope.INGEST)  # whoever reads the file has no key
    with pytest.raises(ThinkmeterError, match="number 2 has the same key"):
        Keys([KEYS[0], KeySettings(key_sha256=sha256("key-of-alpha"))])


def test_a_key_ends_when_it_says() -> None:
    now = dt.datetime.now(dt.UTC)
    hour = dt.timedelta(hours=1)
    keys = Keys(
        [
            KeySettings(key=SecretStr("key-until-now"), expires=now - hour),
            KeySettings(key=SecretStr("key-for-now"), expires=now + hour),
        ]
    )
    assert (known(keys, "key-until-now"), known(keys, "key-for-now")) == (False, True)
    with pytest.raises(Refused, match="has expired"):
        keys.project(None, "key-until-now", Scope.INGEST)


def written(path: Path, *keys: str) -> None:
    entries = "".join(f'[[auth.keys]]\nkey_sha256 = "{sha256(key)}"\n' for key in keys)
    path.with_suffix(".new").write_text(entries)
    path.with_suffix(".new").replace(path)


@pytest.fixture
def rotated(tmp_path: Path) -> tuple[Path, Keys]:
    path = tmp_path / "thinkmeter.toml"
    written(path, "the-old-key")
    configuration = load(path)
    return path, Keys(configuration.auth.keys, file=configuration.key_file)


def test_keys_are_rotated_with_an_overlap_and_revoked_without_a_restart(rotated: tuple[Path, Keys]) -> None:
    path, keys = rotated
    assert (known(keys, "the-old-key"), known(keys, "the-new-key")) == (True, False)
    written(path, "the-old-key", "the-new-key")
    keys.look()
    assert (known(keys, "the-old-key"), known(keys, "the-new-key")) == (True, True)
    written(path, "the-new-key")
    keys.look()
    assert (known(keys, "the-old-key"), known(keys, "the-new-key")) == (False, True)
    written(path)
    keys.look()
    assert not known(keys, "the-new-key")  # no keys where there were some: nobody, not everybody


def test_a_change_is_seen_by_the_requests_that_follow(rotated: tuple[Path, Keys]) -> None:
    path, keys = rotated
    written(path, "the-new-key")
    wait_for(lambda: known(keys, "the-new-key"), timeout_s=10)
    assert not known(keys, "the-old-key")


@pytest.mark.parametrize("broken", ["[[auth.keys]\n", "[[auth.keys]]\nkey = 'short'\n", "[other]\n", None])
def test_a_file_that_cannot_be_used_changes_nothing_and_shows_no_key(
    rotated: tuple[Path, Keys], broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path, keys = rotated
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    keys.look()
    assert known(keys, "the-old-key")
    assert "the keys stay as they were" in caplog.text
    assert "short" not in caplog.text


def test_the_door_follows_the_file(tmp_path: Path, settings: CollectorSettings) -> None:
    path = tmp_path / "thinkmeter.toml"
    written(path, "the-old-key")
    configuration = load(path)
    with Collector(
        NOWHERE,
        tmp_path,
        settings.model_copy(update={"drain_s": 0}),
        configuration.auth.keys,
        key_file=configuration.key_file,
    ) as collector:

        def status(key: str) -> int:
            with closing(http.client.HTTPConnection("127.0.0.1", collector.http_port, timeout=20)) as connection:
                headers = {"x-api-key": key, "Content-Type": "application/x-protobuf"}
                connection.request("POST", "/v1/traces", b"", headers)
                return connection.getresponse().status

        assert (status("the-old-key"), status("the-new-key")) == (200, 401)
        written(path, "the-new-key")
        wait_for(lambda: status("the-new-key") == 200, timeout_s=10)
        assert status("the-old-key") == 401


def test_no_message_repeats_a_key(tmp_path: Path) -> None:
    path = tmp_path / "thinkmeter.toml"
    for text in (
        "[[auth.keys]]\nkey = 'hunter2'\n",
        "[[auth.keys]]\nkey = 'hunter2-long-enough'\nkey_env = 'A'\n",
        "[[auth.keys]]\nkey = 'hunter2-long-enough'\nscopes = ['admin']\n",
        "[store]\nurl = ['clickhouse://u:hunter2@h']\n",
    ):
        path.write_text(text)
        with pytest.raises(ThinkmeterError) as error:
            load(path)
        assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "collector.internal"])
def test_without_keys_only_loopback_is_opened(tmp_path: Path, host: str) -> None:
    with pytest.raises(ThinkmeterError, match=r"no \[\[auth.keys\]\] are configured"):
        Collector(NOWHERE, tmp_path, CollectorSettings(host=host))
    Collector(NOWHERE, tmp_path, CollectorSettings(host=host), [KEYS[0]])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_needs_no_keys(tmp_path: Path, host: str) -> None:
    Collector(NOWHERE, tmp_path, CollectorSettings(host=host))
