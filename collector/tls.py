"""TLS of both servers, and mutual TLS where clients have to show a certificate too."""

import ssl
from pathlib import Path
from typing import Any

import grpc

from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.errors import ThinkmeterError


def http_options(settings: CollectorSettings) -> dict[str, Any]:
    """Options of uvicorn; none without TLS.

    Raises:
        ThinkmeterError: a file cannot be used.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return {}
    _check(settings)
    options: dict[str, Any] = {"ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key}
    if settings.tls_client_ca is not None:
        options |= {"ssl_ca_certs": settings.tls_client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return options


def grpc_credentials(settings: CollectorSettings) -> Any:
    """Credentials of a gRPC server; None without TLS.

    Raises:
        ThinkmeterError: a file cannot be used.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    _check(settings)
    pair = _read(settings.tls_key), _read(settings.tls_cert)
    authority = None if settings.tls_client_ca is None else _read(settings.tls_client_ca)
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _check(settings: CollectorSettings) -> None:
    """Raise unless the files are what they should be."""
    assert settings.tls_cert is not None
    assert settings.tls_key is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in (settings.tls_cert, settings.tls_key, settings.tls_client_ca):
        if path is not None:
            _read(path)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ThinkmeterError(
            f"collector.tls_cert {settings.tls_cert} and tls_key {settings.tls_key} cannot be used: {reason}"
        ) from None
    if settings.tls_client_ca is not None:
        try:
            context.load_verify_locations(settings.tls_client_ca)
        except ssl.SSLError as error:
            raise ThinkmeterError(
                f"collector.tls_client_ca {settings.tls_client_ca} is no certificate: {error.reason}"
            ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ThinkmeterError(f"the TLS file {path} cannot be read: {error.strerror}") from None
