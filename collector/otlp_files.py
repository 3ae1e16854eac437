"""Recorded OTLP: files of protobuf, JSON or JSON lines, read request by request with the place of each."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from thinkmeter.collector.compression import decompress
from thinkmeter.collector.export import EXPORTS, FIELD_1, LOGS, METRICS, TRACES, Export
from thinkmeter.collector.otlp import protobuf_from_json
from thinkmeter.collector.refusal import Refused
from thinkmeter.schema.errors import ThinkmeterError

MAX_FILE_BYTES: Final = 4 * 1024**3
MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
SIZE: Final = struct.Struct(">I")
"""Before every message in the protobuf files of the OpenTelemetry Collector's file exporter."""
KEYS: Final = {
    key: export
    for export, camel, snake in (
        (TRACES, "resourceSpans", "resource_spans"),
        (LOGS, "resourceLogs", "resource_logs"),
        (METRICS, "resourceMetrics", "resource_metrics"),
    )
    for key in (camel, snake)
}


class Recorded(NamedTuple):
    """One export request of a file, or why what stands there is none.

    Attributes:
        place: line of text or byte, as `line 3`, `byte 120`; empty where the file is one request.
        export: which export it is.
        body: the request as protobuf.
        problem: why it cannot be read; then there is no body.
    """

    place: str
    export: Export
    body: bytes
    problem: str = ""


def read_requests(path: Path) -> Iterator[Recorded]:
    """Export requests of a file in their order, whatever its name: the bytes tell the format, gzip and zstd included.

    JSON is one document or one a line. Protobuf is one export request, or requests with their size before each, as
    the OpenTelemetry Collector's file exporter writes them.

    Raises:
        ThinkmeterError: the file cannot be read, or is none of these.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ThinkmeterError(f"{path} cannot be read: {error.strerror}") from None
    for magic, encoding in MAGIC.items():
        if data.startswith(magic):
            try:
                data = decompress(data, encoding, MAX_FILE_BYTES)
            except Refused as error:
                raise ThinkmeterError(f"{path}: {error}") from None
    if not data.strip():
        raise ThinkmeterError(f"{path} is empty")
    if data.lstrip()[:1] in (b"{", b"["):
        yield from _json(data)
    elif data[0] == FIELD_1:
        yield _protobuf("", data)
    elif data[0] == 0:
        yield from _sized(data)
    else:
        raise ThinkmeterError(f"{path} is no recorded OTLP: neither JSON, nor JSON lines, nor protobuf")


def _json(data: bytes) -> Iterator[Recorded]:
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if b"\n" not in data.strip():
            yield Recorded("", TRACES, b"", f"not JSON: {error}")
            return
        for number, line in enumerate(data.splitlines(), 1):
            if line.strip():
                yield _document(f"line {number}", line)
        return
    if isinstance(whole, list):
        for number, document in enumerate(whole, 1):
            yield _document(f"item {number}", orjson.dumps(document))
    else:
        yield _document("", data)


def _document(place: str, data: bytes) -> Recorded:
    export = TRACES
    try:
        document = orjson.loads(data)
        if not isinstance(document, dict) or not (told := document.keys() & KEYS.keys()):
            return Recorded(place, export, b"", f"an object with one of {', '.join(KEYS)} is expected")
        export = KEYS[min(told)]
        return Recorded(place, export, protobuf_from_json(data, export.request))
    except orjson.JSONDecodeError as error:
        return Recorded(place, export, b"", f"not JSON: {error}")
    except Refused as error:
        return Recorded(place, export, b"", str(error))


def _sized(data: bytes) -> Iterator[Recorded]:
    position = 0
    while position < len(data):
        body = position + SIZE.size
        size = SIZE.unpack_from(data, position)[0] if body <= len(data) else len(data)
        if body + size > len(data):
            yield Recorded(f"byte {position}", TRACES, b"", "the file is cut off here")
            return
        yield _protobuf(f"byte {position}", data[body : body + size])
        position = body + size


def _protobuf(place: str, body: bytes) -> Recorded:
    """The bytes do not say which export they are: it is the one in whose terms every item has what it must have."""
    problem = ""
    for export in EXPORTS:
        try:
            if _plausible(export, body):
                return Recorded(place, export, body)
        except Refused as error:
            problem = problem or str(error)
    return Recorded(place, TRACES, b"", problem or "neither spans nor log records nor metrics")


def _plausible(export: Export, body: bytes) -> bool:
    checked = export.check(body)
    if export is TRACES:
        return checked.items > 0  # what is no span has no ids where a span has them
    if export is LOGS:
        request = ExportLogsServiceRequest.FromString(body)
        records = [r for rl in request.resource_logs for sl in rl.scope_logs for r in sl.log_records]
        return bool(records) and all(r.time_unix_nano or r.observed_time_unix_nano for r in records)
    return bool(checked.rejected)
