"""What a person asks first when numbers look wrong: every part looked at, each with what to do about it."""

import datetime as dt
import json
import os
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from thinkmeter.alerts.check import missing_secrets
from thinkmeter.collector.installation import is_installed
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool_files import FILE_NAME
from thinkmeter.configuration import Configuration
from thinkmeter.schema.price_list import STALE, newest_listed
from thinkmeter.schema.query import Reader, RollupState
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.lease import holder
from thinkmeter.schema.store.migrate import pending

LOOK_BACK: Final = dt.timedelta(hours=24)
LATE_S: Final = 60.0
"""Nothing waits that long for the store or for a job while all goes well."""
ROLLUPS_LATE_S: Final = 900.0
"""Longer than an open request, which holds its quarter up, mostly is."""
SHOWN_QUARANTINED: Final = 5


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Finding(NamedTuple):
    """What was found of one part, and what to do about it."""

    level: Level
    part: str
    text: str


def of_data_dir(data_dir: Path, configuration: Configuration) -> Iterator[Finding]:
    """Disk, spool and quarantine."""
    if not data_dir.is_dir():
        yield Finding(
            Level.WARNING, "data", f"{data_dir} does not exist: nothing ran on it yet, or name another --data"
        )
        return
    if not os.access(data_dir, os.W_OK | os.X_OK):
        yield Finding(Level.FAILURE, "data", f"{data_dir} cannot be written by this user")
    free, reserve = shutil.disk_usage(data_dir).free, configuration.collector.min_free_disk_bytes
    told = f"{free / 1e9:.1f} GB free on the disk of {data_dir}"
    if free < reserve:
        told += f", less than collector.min_free_disk_bytes: requests are answered 503 until more than {reserve} are"
    yield Finding(Level.FAILURE if free < reserve else Level.OK, "disk", told)
    yield _spool(data_dir / "spool", configuration.collector)
    yield from _quarantine(data_dir / "quarantine")


def _spool(directory: Path, settings: CollectorSettings) -> Finding:
    files = {path: name for path in directory.glob("*") if (name := FILE_NAME.fullmatch(path.name))}
    if not files:
        return Finding(Level.OK, "spool", "nothing waits for the store")
    oldest = min(int(name["time_ns"]) for name in files.values()) / 1e9
    age_s = dt.datetime.now(dt.UTC).timestamp() - oldest
    size = sum(path.stat().st_size for path in files if path.exists())
    told = f"{len(files)} segments, {size:,} bytes, wait for the store, the oldest for {age_s:.0f} s"
    if size >= settings.max_spool_bytes:
        told += f"; that is collector.max_spool_bytes ({settings.max_spool_bytes:,}): requests are answered 503"
    elif age_s > settings.max_spool_age_s:
        told += f", longer than collector.max_spool_age_s ({settings.max_spool_age_s:.0f}): requests are answered 503"
        told += " while the store takes nothing, and what waits is kept"
    elif age_s < LATE_S:
        return Finding(Level.OK, "spool", told)
    return Finding(Level.FAILURE, "spool", f"{told}: is a collector running on this directory, and the store?")


def _quarantine(directory: Path) -> Iterator[Finding]:
    kept = sorted(directory.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    if not kept:
        yield Finding(Level.OK, "quarantine", "empty: every accepted request could be stored")
        return
    yield Finding(
        Level.WARNING,
        "quarantine",
        f"{len(kept)} requests could not be stored; after an upgrade try `thinkmeter replay {directory}/*.pb`",
    )
    for path in kept[:SHOWN_QUARANTINED]:
        told = json.loads(path.read_text())
        yield Finding(Level.WARNING, "quarantine", f"{path.stem}: {told['reason']}")


def of_store(address: StoreAddress, configuration: Configuration) -> Iterator[Finding]:
    """Version, schema and decoding; how far the jobs are and who runs them.

    Raises:
        ThinkmeterError: the store does not answer.
    """
    with connect(address, read_only=True) as client:
        version = f"ClickHouse {client.server_version} at {address.host}:{address.port}"
        if missing := pending(client):
            names = ", ".join(f"{migration.number} {migration.name}" for migration in missing)
            yield Finding(Level.FAILURE, "store", f"{version} lacks migrations {names}: run `thinkmeter migrate`")
            return
        yield Finding(Level.OK, "store", f"{version}, schema as this version has it")
        yield _decoding(client, configuration)
        for name, does in (("jobs", "calls are not settled"), ("alerts", "nobody is told of runaways")):
            owner = holder(client, name)
            told = f"run by {owner}" if owner else f"no process runs them: {does}; start `thinkmeter up` or `{name}`"
            yield Finding(Level.OK if owner else Level.FAILURE, name, told)
    with Reader(address) as reader:
        fresh = reader.freshness()
        behind_s = (fresh.as_of - fresh.shown_until).total_seconds()
        if fresh.newest_inserted is None:
            yield Finding(Level.WARNING, "traffic", "no span has arrived yet: send some with thinkmeter.instrument()")
            return
        newest = f"newest span stored {(fresh.as_of - fresh.newest_inserted).total_seconds():,.0f} s ago"
        late = behind_s > LATE_S
        told = f"{newest}; {fresh.waiting_spans} spans wait to be settled, the oldest for {behind_s:.0f} s"
        yield Finding(Level.FAILURE if late else Level.OK, "traffic", told)
        yield _rollups(reader.rollups(), fresh.as_of)
        yield from _coverage(reader, fresh.as_of)


def _decoding(client: Client, configuration: Configuration) -> Finding:
    if is_installed(client, configuration.privacy):
        return Finding(Level.OK, "decoding", "the store decodes OTLP itself, as the reference decoder does")
    return Finding(
        Level.WARNING,
        "decoding",
        "no collector of this version has prepared this store yet, or it decodes otherwise and Python does it, slower: "
        "`thinkmeter migrate` tries and says why",
    )


def _rollups(state: RollupState, now: dt.datetime) -> Finding:
    if not state.in_use:
        few = f"not in use: {state.requests:,} requests are counted as fast without them"
        return Finding(Level.OK, "rollups", few)
    told = f"{state.quarters - state.waiting:,} of {state.quarters:,} quarters of an hour are counted"
    if state.waiting_since is None:
        return Finding(Level.OK, "rollups", told)
    age_s = (now - state.waiting_since).total_seconds()
    told += f"; {state.waiting:,} wait, the first for {age_s:,.0f} s"
    if age_s <= ROLLUPS_LATE_S:
        return Finding(Level.OK, "rollups", told)
    return Finding(
        Level.WARNING, "rollups", f"{told}: reports over long windows are right, and slower until the jobs get to it"
    )


def _coverage(reader: Reader, now: dt.datetime) -> Iterator[Finding]:
    [row] = reader.report("coverage", since=now - LOOK_BACK, until=now, by=(), project=None).rows or [None]
    if row is None or not row.detail["billed_calls"]:
        yield Finding(Level.WARNING, "coverage", "no billed calls in the last 24 hours")
        return
    detail = row.detail
    calls = detail["billed_calls"]
    advice = {
        "thinking_unknown_calls": "have unknown thinking: `thinkmeter report coverage --by model` says whose",
        "thinking_above_output_calls": "told more thinking than output, and count as unknown",
        "unpriced_calls": "have no price: `thinkmeter prices list` says what to type",
        "usage_unknown_calls": "told no usage: streams need include_usage, or the client's instrumentation is old",
        "late_calls": "arrived more than five minutes after they ended",
    }
    troubles = [(detail[name], text) for name, text in advice.items() if detail[name]]
    for count, text in troubles:
        yield Finding(Level.WARNING, "coverage", f"{count:,} of {calls:,} calls of 24 hours {text}")
    if not troubles:
        yield Finding(Level.OK, "coverage", f"thinking and cost of all {calls:,} calls of 24 hours are known")


def of_configuration(configuration: Configuration) -> Iterator[Finding]:
    """What of it takes no effect, lacks its secret, or has grown old."""
    idle = [f"[{section}]" for section in configuration.idle_sections]
    if idle:
        yield Finding(Level.WARNING, "configuration", f"not in effect in this version: {', '.join(idle)}")
    for _, why in missing_secrets(configuration.alerts):
        yield Finding(Level.FAILURE, "alerts", why)
    today = dt.datetime.now(dt.UTC).date()
    newest = newest_listed(today)
    if today - newest > STALE:
        told = f"the newest price of the list is of {newest}: upgrade genai-prices, or set prices that changed since"
        yield Finding(Level.WARNING, "prices", told)
    else:
        yield Finding(Level.OK, "prices", f"the newest price of the list is of {newest}")
