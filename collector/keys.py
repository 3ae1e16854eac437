"""Who may do what: keys, their projects and scopes."""

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence

from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.collector.settings import KeySettings, Scope
from thinkmeter.schema.errors import ThinkmeterError

DEFAULT_PROJECT = "default"


class Keys:
    """The keys of the configuration; without any, everyone who reaches the door is the default project."""

    def __init__(self, settings: Sequence[KeySettings], environment: Mapping[str, str] = os.environ) -> None:
        """Read the keys, those of environment variables included.

        Raises:
            ThinkmeterError: a variable is not set, or two entries have the same key.
        """
        self._entries: dict[bytes, KeySettings] = {}
        for number, entry in enumerate(settings, 1):
            digest = _digest(_key(entry, number, environment))
            if digest in self._entries:
                raise ThinkmeterError(f"[[auth.keys]] number {number} has the same key as one before it")
            self._entries[digest] = entry

    def project(self, authorization: str | None, api_key: str | None, *scopes: Scope) -> str:
        """The project that a sender's data belongs to.

        Args:
            authorization: the header `Authorization`, for `Bearer KEY`.
            api_key: the header `x-api-key`, read where the other is absent.
            scopes: what the sender wants to do; a key that may do one of these opens the door.

        Raises:
            Refused: the key is absent, unknown, or lacks the scope.
        """
        if not self._entries:
            return DEFAULT_PROJECT
        given = _digest(_presented(authorization, api_key))
        # Every entry is compared, in constant time, so that the time taken tells nothing about any key.
        found = [entry for digest, entry in self._entries.items() if hmac.compare_digest(digest, given)]
        if not found:
            raise Refused(Reason.UNAUTHENTICATED, "the key is unknown")
        if not found[0].scopes.intersection(scopes):
            has = ", ".join(sorted(found[0].scopes))
            raise Refused(Reason.FORBIDDEN, f"the key lacks the scope {' or '.join(scopes)}; it has {has}")
        return found[0].project


def _presented(authorization: str | None, api_key: str | None) -> str:
    if authorization is not None:
        scheme, _, key = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(Reason.UNAUTHENTICATED, "the header Authorization is not of the form `Bearer KEY`")
        return key.strip()
    if api_key is None:
        raise Refused(Reason.UNAUTHENTICATED, "a key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`")
    return api_key.strip()


def _key(entry: KeySettings, number: int, environment: Mapping[str, str]) -> str:
    if entry.key is not None:
        return entry.key.get_secret_value()
    assert entry.key_env is not None
    key = environment.get(entry.key_env, "")
    if not key:
        raise ThinkmeterError(f"[[auth.keys]] number {number}: the environment variable {entry.key_env} is not set")
    return key


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
