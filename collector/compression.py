"""Decompression of request bodies, with an end to what a small body may grow to."""

import math
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import zstandard
from isal import isal_zlib

from thinkmeter.collector.refusal import Reason, Refused

SLICE_BYTES = 1024
"""Compressed bytes taken at a time. It bounds what one step can yield, since none of the formats can be told to
stop at an exact size and also to say what is left: about 1 MiB for deflate, 32 MiB for zstd (128 KiB from 4 bytes)."""
RATIO_FROM_BYTES = 1024 * 1024
"""Below this size a result may be any multiple of the body: a batch of the same small spans is ordinary."""
ZSTD_WINDOW_BYTES = 32 * 1024 * 1024
_IsalError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub takes the class for an instance


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gzip(_: bytes) -> _Stream:
    return isal_zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)


def _deflate(body: bytes) -> _Stream:
    # "deflate" means zlib's format; some senders leave its header out.
    has_header = body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
    return isal_zlib.decompressobj(wbits=zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _zstd(_: bytes) -> _Stream:
    return zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()


_FORMATS: Final[dict[str, Callable[[bytes], _Stream]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}


def decompress(body: bytes, encoding: str, limit_bytes: int, max_ratio: float = math.inf) -> bytes:
    """The body without its encoding.

    Args:
        body: as received; several compressed members one after the other are one body.
        encoding: the header `Content-Encoding`; empty or `identity` for none.
        limit_bytes: largest result.
        max_ratio: largest multiple of the body that a result above RATIO_FROM_BYTES may be.

    Raises:
        Refused: the encoding is unknown, the body is damaged or cut off, or the result is too large.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    if name not in _FORMATS:
        raise Refused(Reason.UNSUPPORTED_ENCODING, f"Content-Encoding {encoding!r} is none of gzip, zstd, deflate")
    try:
        return _members(body, _FORMATS[name], limit_bytes, max_ratio)
    except (_IsalError, zstandard.ZstdError) as error:
        raise Refused(Reason.MALFORMED, f"the body is not {name}: {error}") from None


def _members(body: bytes, new_stream: Callable[[bytes], _Stream], limit_bytes: int, max_ratio: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    stream: _Stream | None = None
    position = 0
    while position < len(body):
        if stream is None:
            stream = new_stream(body[position : position + 2])
        piece = stream.decompress(body[position : position + SLICE_BYTES])
        position = min(position + SLICE_BYTES, len(body))
        pieces.append(piece)
        size += len(piece)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        if size > max(RATIO_FROM_BYTES, max_ratio * position):
            raise Refused(
                Reason.COMPRESSION_RATIO,
                f"the body grows to more than {max_ratio:g} times its size, as no telemetry does; send it uncompressed",
            )
        if stream.eof:
            position -= len(stream.unused_data)
            stream = None
    if stream is not None:
        raise Refused(Reason.MALFORMED, "the compressed body is cut off")
    return b"".join(pieces)


def _too_large(limit_bytes: int) -> Refused:
    return Refused(
        Reason.TOO_LARGE,
        f"the request is larger than {limit_bytes} bytes once decompressed; send it in smaller batches",
    )
