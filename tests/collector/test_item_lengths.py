"""The longest item of a request is found without reading any."""

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from thinkmeter.collector.item_lengths import longest_item

FIELDS = {
    ExportTraceServiceRequest: ("resource_spans", "scope_spans", "spans"),
    ExportLogsServiceRequest: ("resource_logs", "scope_logs", "log_records"),
}


@pytest.mark.parametrize("kind", FIELDS)
@given(lengths=st.lists(st.lists(st.lists(st.integers(0, 5000), max_size=3), max_size=3), max_size=3))
def test_the_longest_item_is_that_of_protobuf(kind: type[Message], lengths: list[list[list[int]]]) -> None:
    request: Any = kind()
    resources, scopes, items = FIELDS[kind]
    sizes = []
    for resource_lengths in lengths:
        resource = getattr(request, resources).add()
        resource.resource.attributes.add(key="x" * 6000)  # what is no item does not count
        for scope_lengths in resource_lengths:
            scope = getattr(resource, scopes).add()
            scope.scope.name = "y" * 6000
            for length in scope_lengths:
                item = getattr(scope, items).add()
                item.attributes.add(key="z" * length)
                sizes.append(item.ByteSize())
    assert longest_item(request.SerializeToString()) == max(sizes, default=0)
