"""OTLP/JSON that other SDKs sent, recorded by others, as protobuf."""

import base64
import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = ("traceId", "spanId", "parentSpanId")


def recorded(real_data: Path) -> list[tuple[str, bytes]]:
    """File name and export request of each recording."""
    files = sorted((real_data / "foreign_otlp").glob("*-20*.json"))
    return [(file.name, protobuf(json.loads(file.read_text()))) for file in files]


def protobuf(document: Any) -> bytes:
    """An export request from OTLP/JSON, whose ids are hex where protobuf's own JSON has base64."""
    return json_format.ParseDict(_with_base64_ids(document), ExportTraceServiceRequest()).SerializeToString()


def _with_base64_ids(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_base64_ids(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode() if key in IDS else _with_base64_ids(item)
        for key, item in node.items()
    }
