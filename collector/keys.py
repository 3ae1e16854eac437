"""Who may do what: keys, their projects and scopes, read again when the configuration changes."""

import datetime as dt
import hashlib
import hmac
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.collector.settings import KeySettings, Scope
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event

log = logging.getLogger(__name__)

DEFAULT_PROJECT = "default"
LOOK_INTERVAL_S: Final = 1.0
"""How often at most it is looked whether the configuration changed."""


class KeyFile(NamedTuple):
    """Where keys come from.

    Attributes:
        path: of the file that is watched.
        read: reads it; raises ThinkmeterError where it cannot be used.
    """

    path: Path
    read: Callable[[], Sequence[KeySettings]]


class Keys:
    """The keys of the configuration; without any, everyone who reaches the door is the default project.

    They are read again once the file changes: a key that is taken out is refused from then on, one that is added is
    known, and both are known while both stand there. A file that cannot be used changes nothing. Where there were
    keys at the start, a file without keys lets nobody in.
    """

    def __init__(
        self,
        settings: Sequence[KeySettings],
        environment: Mapping[str, str] = os.environ,
        file: KeyFile | None = None,
    ) -> None:
        """Read the keys, those of environment variables included.

        Raises:
            ThinkmeterError: a variable is not set, or two entries have the same key.
        """
        self._environment = environment
        self._entries = _entries(settings, environment)
        self._open = not self._entries
        self._file = file
        self._seen = _state(file)
        self._next_look_s = time.monotonic() + LOOK_INTERVAL_S
        self._looking = threading.Lock()

    def project(self, authorization: str | None, api_key: str | None, *scopes: Scope) -> str:
        """The project that a sender's data belongs to.

        Args:
            authorization: the header `Authorization`, for `Bearer KEY`.
            api_key: the header `x-api-key`, read where the other is absent.
            scopes: what the sender wants to do; a key that may do one of these opens the door.

        Raises:
            Refused: the key is absent, unknown, or lacks the scope.
        """
        if self._file is not None and time.monotonic() >= self._next_look_s:
            self.look()
        if self._open:
            return DEFAULT_PROJECT
        given = _digest(_presented(authorization, api_key))
        now = dt.datetime.now(dt.UTC)
        # Every entry is compared, in constant time, so that the time taken tells nothing about any key.
        found = [entry for digest, entry in self._entries.items() if hmac.compare_digest(digest, given)]
        if not found or (found[0].expires is not None and found[0].expires <= now):
            raise Refused(Reason.UNAUTHENTICATED, "the key has expired" if found else "the key is unknown")
        if not found[0].scopes.intersection(scopes):
            has = ", ".join(sorted(found[0].scopes))
            raise Refused(Reason.FORBIDDEN, f"the key lacks the scope {' or '.join(scopes)}; it has {has}")
        return found[0].project

    def look(self) -> None:
        """Read the keys again if their file changed."""
        if self._file is None or not self._looking.acquire(blocking=False):
            return
        try:
            self._next_look_s = time.monotonic() + LOOK_INTERVAL_S
            state = _state(self._file)
            if state == self._seen:
                return
            self._seen = state
            entries = _entries(self._file.read(), self._environment)
        except ThinkmeterError as error:
            log.warning("the keys stay as they were: %s", error, extra=event("keys.unchanged", reason=str(error)))
        else:
            if self._open and entries:
                log.info("keys are asked for from now on", extra=event("keys.required"))
            self._open = self._open and not entries
            self._entries = entries
            log.info(
                "%d keys hold, as %s has them now",
                len(entries),
                self._file.path,
                extra=event("keys.loaded", keys=len(entries)),
            )
        finally:
            self._looking.release()


def _entries(settings: Sequence[KeySettings], environment: Mapping[str, str]) -> dict[bytes, KeySettings]:
    entries: dict[bytes, KeySettings] = {}
    for number, entry in enumerate(settings, 1):
        digest = _digest_of(entry, number, environment)
        if digest in entries:
            raise ThinkmeterError(f"[[auth.keys]] number {number} has the same key as one before it")
        entries[digest] = entry
    return entries


def _state(file: KeyFile | None) -> tuple[int, int, int] | None:
    """What tells one version of a file from the next; None if there is none."""
    if file is None:
        return None
    try:
        found = file.path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _presented(authorization: str | None, api_key: str | None) -> str:
    if authorization is not None:
        scheme, _, key = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(Reason.UNAUTHENTICATED, "the header Authorization is not of the form `Bearer KEY`")
        return key.strip()
    if api_key is None:
        raise Refused(Reason.UNAUTHENTICATED, "a key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`")
    return api_key.strip()


def _digest_of(entry: KeySettings, number: int, environment: Mapping[str, str]) -> bytes:
    if entry.key_sha256 is not None:
        return bytes.fromhex(entry.key_sha256)
    if entry.key is not None:
        return _digest(entry.key.get_secret_value())
    assert entry.key_env is not None
    key = environment.get(entry.key_env, "")
    if not key:
        raise ThinkmeterError(f"[[auth.keys]] number {number}: the environment variable {entry.key_env} is not set")
    return _digest(key)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
