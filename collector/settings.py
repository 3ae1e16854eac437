"""What the collector can be told: the sections `[collector]` and `[[auth.keys]]` of the configuration."""

import ipaddress
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

from thinkmeter.schema.errors import ThinkmeterError

MIB = 1024 * 1024
GIB = 1024 * MIB


class Scope(StrEnum):
    """What a key may do."""

    INGEST = "ingest"
    LABEL = "label"
    READ = "read"


class CollectorSettings(BaseModel):
    """`[collector]`: where it listens, and how much it takes before it asks senders to wait."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on; another than loopback needs auth.keys")
    http_port: int = Field(default=4318, ge=0, le=65535, description="OTLP/HTTP; 0 for any free port")
    grpc_port: int = Field(default=4317, ge=0, le=65535, description="OTLP/gRPC; 0 for any free port")
    max_body_bytes: int = Field(default=32 * MIB, gt=0, description="largest request as sent")
    max_decompressed_bytes: int = Field(default=32 * MIB, gt=0, description="largest request once decompressed")
    max_compression_ratio: float = Field(default=200.0, gt=1, description="largest growth of a compressed request")
    max_attributes: int = Field(default=1024, gt=0, description="attributes of one span or log record")
    max_attribute_bytes: int = Field(default=MIB, gt=0, description="bytes of one attribute of a span or log record")
    tls_cert: Path | None = Field(default=None, description="certificate chain, PEM: TLS for HTTP and gRPC")
    tls_key: Path | None = Field(default=None, description="private key of the certificate, PEM")
    tls_client_ca: Path | None = Field(default=None, description="PEM of who signs clients' certificates: mutual TLS")
    max_inflight_bytes: int = Field(default=256 * MIB, gt=0, description="requests in memory at once, all together")
    body_timeout_s: float = Field(default=30.0, gt=0, description="time a sender has to send a request's body")
    max_spool_bytes: int = Field(default=8 * GIB, gt=0, description="what waits on disk for the store at most")
    max_spool_age_s: float = Field(
        default=72 * 3600.0,
        gt=0,
        description="how long a store may take nothing until requests are put off; what waits is kept",
    )
    min_free_disk_bytes: int = Field(default=512 * MIB, ge=0, description="disk space that the spool leaves free")
    segment_spans: int = Field(default=50_000, gt=0, description="spans or log records of one segment")
    segment_bytes: int = Field(default=64 * MIB, gt=0, description="bytes of them")
    segment_age_s: float = Field(
        default=0.5, gt=0, description="how long a request waits to share an insert; twice as long where much comes"
    )
    ready_lag_s: float = Field(default=60.0, gt=0, description="age of what the store lacks that /readyz allows")
    drain_s: float = Field(default=10.0, ge=0, description="how long a stop waits for the store")

    @model_validator(mode="after")
    def _whole_tls(self) -> "CollectorSettings":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both tls_cert and tls_key")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca needs tls_cert and tls_key")
        return self


class KeySettings(BaseModel):
    """`[[auth.keys]]`: one key, the project that its data belongs to, and what it may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: SecretStr | None = Field(default=None, min_length=8, description="the key itself")
    key_env: str | None = Field(default=None, min_length=1, description="environment variable that holds the key")
    key_sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-fA-F]{64}$", description="SHA-256 of the key in hex: `printf %s KEY | sha256sum`"
    )
    expires: AwareDatetime | None = Field(default=None, description="when the key ends, so that another can take over")
    project: str = Field(default="default", min_length=1, max_length=200)
    scopes: frozenset[Scope] = Field(default=frozenset({Scope.INGEST, Scope.LABEL}), min_length=1)

    @model_validator(mode="after")
    def _one_source(self) -> "KeySettings":
        if sum(source is not None for source in (self.key, self.key_env, self.key_sha256)) != 1:
            raise ValueError("name one of key_sha256, key_env and key")
        return self


def refuse_open_door(settings: CollectorSettings, keys: Sequence[KeySettings]) -> None:
    """See to it that only this machine can reach a collector without keys.

    Raises:
        ThinkmeterError: no keys are configured and the host is not a loopback address.
    """
    if not keys and not _is_loopback(settings.host):
        raise ThinkmeterError(
            f"collector.host is {settings.host} and no [[auth.keys]] are configured: anyone who reaches this host "
            "could write; add a key, or listen on 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
