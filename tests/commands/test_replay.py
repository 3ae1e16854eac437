"""`thinkmeter replay`: recorded OTLP in each of its files, once however often, with the place of what is broken."""

import base64
import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.collector.otlp import logs, record, span_of, traces
from tests.commandline import Run
from tests.schema.rows import select
from thinkmeter.collector.jobs.settling import settle_calls

CHAT: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5-nano",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 80,
    "gen_ai.usage.reasoning.output_tokens": 60,
}
BATCHES = [traces([span_of(CHAT, 1), span_of(CHAT, 2)]), traces([span_of(CHAT, 3)])]


def as_json(body: bytes) -> str:
    """OTLP/JSON, whose ids are hexadecimal where protobuf's own JSON has base64."""
    document = json_format.MessageToDict(ExportTraceServiceRequest.FromString(body))
    spans = [told for rs in document["resourceSpans"] for ss in rs["scopeSpans"] for told in ss["spans"]]
    for told in spans:
        told |= {key: base64.b64decode(told[key]).hex() for key in ("traceId", "spanId")}
    return json.dumps(document)


def sized(*bodies: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(body)) + body for body in bodies)


FILES: dict[str, Callable[[], bytes]] = {
    "lines": lambda: "\n".join(map(as_json, BATCHES)).encode() + b"\n",
    "array": lambda: f"[{','.join(map(as_json, BATCHES))}]".encode(),
    "protobuf": lambda: b"".join(BATCHES),  # two requests in a row are one, as protobuf has it
    "sized": lambda: sized(*BATCHES),
    "gzip": lambda: gzip.compress(b"".join(BATCHES)),
    "zstd": lambda: zstandard.compress(sized(*BATCHES)),
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file_gives_the_same_calls_once(
    name: str, tmp_path: Path, run: Run, store_url: str, client: Client
) -> None:
    file = tmp_path / f"recorded.{name}"
    file.write_bytes(FILES[name]())
    for _ in range(2):
        told = run("replay", str(file), "--store-url", store_url)
        assert (told.code, told.out) == (0, "3 spans and 0 log records replayed\n"), told.err
    assert select(client, "SELECT count() AS spans FROM spans") == [{"spans": 3}]
    settle_calls(client)
    assert select(client, "SELECT count() AS calls, sum(thinking_tokens) AS thinking_tokens FROM calls") == [
        {"calls": 3, "thinking_tokens": 180}
    ]


def test_log_records_are_told_from_spans(tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    verdict = {
        "gen_ai.evaluation.name": "orm",
        "gen_ai.evaluation.score.value": 0.9,
        "gen_ai.evaluation.score.label": "pass",
        "thinkmeter.request.id": "r1",
    }
    file = tmp_path / "recorded.pb"
    file.write_bytes(sized(BATCHES[0], logs([record(verdict, event="gen_ai.evaluation.result")])))
    told = run("replay", str(file), "--store-url", store_url, "--project", "acme")
    assert (told.code, told.out) == (0, "2 spans and 1 log records replayed\n"), told.err
    assert select(client, "SELECT project, request_id, score FROM verdicts") == [
        {"project": "acme", "request_id": "r1", "score": 0.9}
    ]


def test_what_is_broken_is_listed_and_the_rest_goes_in(
    tmp_path: Path, run: Run, store_url: str, client: Client
) -> None:
    file = tmp_path / "recorded.jsonl"
    lines = [as_json(BATCHES[0]), '{"resourceSpans": 7}', "oops", "", '{"a": 1}', as_json(BATCHES[1])]
    file.write_text("\n".join(lines))
    cut = tmp_path / "cut.pb"
    cut.write_bytes(sized(BATCHES[0])[:-1])
    told = run("replay", str(file), str(cut), "--store-url", store_url)
    assert told.code == 1
    assert told.out.splitlines() == [
        "3 spans and 0 log records replayed",
        f"{file}: line 2: resourceSpans: an array is expected, not 7",
        f"{file}: line 3: not JSON: unexpected character, expected a JSON value: line 1 column 1 (char 0)",
        f"{file}: line 5: an object with one of resourceSpans, resource_spans, resourceLogs, resource_logs, "
        "resourceMetrics, resource_metrics is expected",
        f"{cut}: byte 0: the file is cut off here",
    ]
    assert told.err == "thinkmeter: 4 requests cannot be read and were left out\n"
    assert select(client, "SELECT count() AS spans FROM spans") == [{"spans": 3}]


def test_metrics_are_left_out_and_counted(tmp_path: Path, run: Run, store_url: str) -> None:
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="gen_ai.client.token.usage")
    metric.sum.data_points.add(as_int=3)
    file = tmp_path / "metrics.pb"
    file.write_bytes(metrics.SerializeToString())
    told = run("replay", str(file), "--store-url", store_url)
    assert (told.code, told.out.splitlines()) == (
        0,
        [
            "0 spans and 0 log records replayed",
            "1 metric points left out: thinkmeter stores traces and logs",
        ],
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"hello", "is no recorded OTLP: neither JSON, nor JSON lines, nor protobuf"),
        (b"\x1f\x8b\x08\x00broken", "the compressed body is cut off"),
    ],
)
def test_files_of_another_kind_are_one_sentence(
    content: bytes, reason: str, tmp_path: Path, run: Run, store_url: str
) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    told = run("replay", str(file), "--store-url", store_url)
    assert told.code == 1
    assert told.err.startswith(f"thinkmeter: {file}")
    assert reason in told.err
    assert told.err.count("\n") == 1


def test_recordings_of_others_are_replayed(real_data: Path, run: Run, store_url: str, client: Client) -> None:
    files = sorted((real_data / "foreign_otlp").glob("*-20*.json"))
    told = run("replay", *map(str, files), "--store-url", store_url)
    expected = json.loads((real_data / "foreign_otlp" / "expected.json").read_text())
    assert (told.code, told.err) == (0, "")
    assert expected.keys() == {file.name for file in files}
    stored = {row["span_id"] for row in select(client, "SELECT span_id FROM spans")}
    assert stored == {span["span_id"] for spans in expected.values() for span in spans}
