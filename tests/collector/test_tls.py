"""TLS and mutual TLS of both servers, with certificates made for the test."""

import http.client
import ssl
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from pydantic import ValidationError

from tests.collector.certificates import Authority, Pair
from tests.collector.traffic import spans
from thinkmeter.collector.export import TRACES
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

NOWHERE = StoreAddress("127.0.0.1", 1)


def accepted(collector: Collector) -> float:
    name, labels = "thinkmeter_collector_accepted_items_total", {"signal": "traces"}
    return collector.telemetry.registry.get_sample_value(name, labels) or 0


def post(collector: Collector, context: ssl.SSLContext) -> int:
    target = http.client.HTTPSConnection("127.0.0.1", collector.http_port, timeout=20, context=context)
    with closing(target) as connection:
        body = spans([1]).SerializeToString()
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        return connection.getresponse().status


def context_of(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.cert))
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    return context


def call(collector: Collector, authority: Authority, client: Pair | None = None) -> str:
    """The code of the answer to a gRPC request."""
    files = (client.key.read_bytes(), client.cert.read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.cert.read_bytes(), *files)
    with grpc.secure_channel(f"127.0.0.1:{collector.grpc_port}", credentials) as channel:
        try:
            channel.unary_unary(f"/{TRACES.service}/Export")(spans([2]).SerializeToString(), timeout=20)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def send(exporter: SpanExporter) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("app").start_as_current_span("chat"):
        pass
    provider.shutdown()


def test_exporters_send_over_tls(tmp_path: Path, settings: CollectorSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they would stand before what the exporter is given
        monkeypatch.delenv(name, raising=False)
    authority = Authority(tmp_path, "authority")
    server = authority.issue("collector")
    secure = settings.model_copy(update={"tls_cert": server.cert, "tls_key": server.key, "drain_s": 0})
    with Collector(NOWHERE, tmp_path, secure) as collector:
        send(HttpExporter(f"https://127.0.0.1:{collector.http_port}/v1/traces", certificate_file=str(authority.cert)))
        credentials = grpc.ssl_channel_credentials(authority.cert.read_bytes())
        send(GrpcExporter(f"https://127.0.0.1:{collector.grpc_port}", credentials=credentials))
        assert accepted(collector) == 2
        with pytest.raises(ssl.SSLError):
            post(collector, ssl.create_default_context())
        with closing(http.client.HTTPConnection("127.0.0.1", collector.http_port, timeout=20)) as plain:
            plain.request("GET", "/healthz")
            with pytest.raises((http.client.HTTPException, OSError)):
                plain.getresponse()
        assert post(collector, context_of(authority)) == 200


def test_mutual_tls_lets_in_whom_the_authority_knows(tmp_path: Path, settings: CollectorSettings) -> None:
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    server, known, unknown = authority.issue("collector"), authority.issue("app"), stranger.issue("app")
    files = {"tls_cert": server.cert, "tls_key": server.key, "tls_client_ca": authority.cert, "drain_s": 0}
    with Collector(NOWHERE, tmp_path, settings.model_copy(update=files)) as collector:
        assert post(collector, context_of(authority, known)) == 200
        assert call(collector, authority, known) == "OK"
        for client in (None, unknown):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                post(collector, context_of(authority, client))
            assert call(collector, authority, client) == "UNAVAILABLE"
        assert accepted(collector) == 2


def test_files_that_cannot_be_used_are_one_sentence(tmp_path: Path, settings: CollectorSettings) -> None:
    one, other = Authority(tmp_path, "authority").issue("one"), Authority(tmp_path, "other").issue("two")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("nothing")
    for files, problem in (
        ({"tls_cert": one.cert, "tls_key": tmp_path / "none"}, "none cannot be read: No such file"),
        ({"tls_cert": one.cert, "tls_key": other.key}, "KEY_VALUES_MISMATCH"),
        ({"tls_cert": garbage, "tls_key": one.key}, "cannot be used"),
        ({"tls_cert": one.cert, "tls_key": one.key, "tls_client_ca": garbage}, "is no certificate"),
    ):
        with pytest.raises(ThinkmeterError, match=problem):
            Collector(NOWHERE, tmp_path / "spools", settings.model_copy(update={**files, "drain_s": 0})).start()


@pytest.mark.parametrize("given", [{"tls_cert": "a"}, {"tls_key": "a"}, {"tls_client_ca": "a"}])
def test_half_a_configuration_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="tls_cert"):
        CollectorSettings.model_validate(given)
