"""Clients of the store: one way in, for the embedded store, a server and a cluster alike."""

import dataclasses
import json
import logging
import urllib.parse
from pathlib import Path
from typing import Self

import clickhouse_connect
from clickhouse_connect.driver import options
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.store.failure import reason

# Every failed try is logged there, beside the error that tells the caller, who says it once.
for _library in ("clickhouse_connect.driver._backend.http_sync", "urllib3.connectionpool"):
    logging.getLogger(_library).setLevel(logging.ERROR)

# An insert looks whether it was given a frame of pandas, and loads pandas with pyarrow for that: 70 MB of memory. There
# is none, as where it is not installed.
options.pd = options.pd_time_test = None

ADDRESS_FILE = "store.json"
"""In the data directory: where the running embedded store listens, mode 0600 since it holds the password."""


@dataclasses.dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the store listens and as whom to speak to it."""

    host: str
    port: int
    username: str = "default"
    password: str = dataclasses.field(default="", repr=False)
    database: str = "thinkmeter"
    secure: bool = False
    embedded: bool = False
    """Whether it is our own child process: it then reads the OTLP schema from a file."""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `clickhouse://user:password@host:port/database?secure=true`.

        Raises:
            ThinkmeterError: the URL is of another form.
        """
        schemes = {"clickhouse": False, "clickhousedb": False, "http": False, "https": True}
        # No part of it is repeated: it holds a password, and where one with unescaped marks ends nobody can tell.
        malformed = ThinkmeterError(
            "the store url is not of the form clickhouse://user:password@host:port/database?secure=true"
            " (in user and password, write / ? # @ : as %2F %3F %23 %40 %3A)"
        )
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            raise malformed from None
        if parts.scheme not in schemes or not parts.hostname:
            raise malformed
        query = dict(urllib.parse.parse_qsl(parts.query))
        secure = schemes[parts.scheme] or query.get("secure", "").lower() in ("1", "true", "yes")
        return cls(
            host=parts.hostname,
            port=port or (8443 if secure else 8123),
            username=urllib.parse.unquote(parts.username or "default"),
            password=urllib.parse.unquote(parts.password or ""),
            database=parts.path.strip("/") or "thinkmeter",
            secure=secure,
        )

    @classmethod
    def of_running(cls, data_dir: Path) -> Self:
        """The embedded store that runs on this data directory.

        Raises:
            ThinkmeterError: none does, as far as the data directory says.
        """
        path = data_dir / ADDRESS_FILE
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            raise ThinkmeterError(
                f"no store is running on {data_dir}: start `thinkmeter up --data {data_dir}`, "
                "or name another with --data or --store-url"
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise ThinkmeterError(f"cannot read {path}: {error}") from None

    def with_database(self, database: str) -> Self:
        """The same store, another database."""
        return dataclasses.replace(self, database=database)


def connect(address: StoreAddress, *, database: str | None = None, read_only: bool = False) -> Client:
    """A client of the store; it serialises its calls, so each thread takes its own.

    Args:
        address: where the store is.
        database: another database than the address's, for migrations, which create it.
        read_only: refuse every statement that writes, in the store.

    Raises:
        ThinkmeterError: wrong credentials or database.
        RetryableError: the store does not answer.
    """
    try:
        return clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            username=address.username,
            password=address.password,
            database=address.database if database is None else database,
            secure=address.secure,
            settings={"readonly": 2} if read_only else None,
            autogenerate_session_id=False,
            compress=not address.embedded,
            connect_timeout=5,
            send_receive_timeout=300,
        )
    except OperationalError as error:
        raise RetryableError(f"the store at {address.host}:{address.port} does not answer: {reason(error)}") from error
    except DatabaseError as error:
        raise ThinkmeterError(f"the store at {address.host}:{address.port} refused: {reason(error)}") from error
