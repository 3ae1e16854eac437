"""Bodies are decompressed whole or refused, and a bomb is stopped early."""

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from thinkmeter.collector.compression import decompress
from thinkmeter.collector.refusal import Reason, Refused

MIB = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def streamed_zstd(data: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()  # as by a sender that does not know the size beforehand
    return stream.compress(data) + stream.flush()


FORMATS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstandard.compress),
    ("zstd", streamed_zstd),
]
every_format = pytest.mark.parametrize(("encoding", "compress"), FORMATS)


@every_format
@given(data=st.binary(max_size=20_000), times=st.integers(1, 4))
def test_what_was_compressed_comes_back(
    encoding: str, compress: Callable[[bytes], bytes], data: bytes, times: int
) -> None:
    assert decompress(compress(data * times), encoding, MIB) == data * times


@pytest.mark.parametrize(("encoding", "compress"), [f for f in FORMATS if f[1] is not raw_deflate])
def test_several_members_are_one_body(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    assert decompress(compress(b"a" * 5000) + compress(b"b" * 5000), encoding, MIB) == b"a" * 5000 + b"b" * 5000


@every_format
@pytest.mark.parametrize("missing", [1, 3, 50, 900])
def test_a_body_cut_off_is_refused(encoding: str, compress: Callable[[bytes], bytes], missing: int) -> None:
    noise = random.Random(1).randbytes(5000)
    with pytest.raises(Refused, match="the compressed body is cut off") as refused:
        decompress(compress(noise)[:-missing], encoding, MIB)
    assert refused.value.reason is Reason.MALFORMED


@every_format
def test_noise_is_refused(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Refused) as refused:
        decompress(b"\x07no compressed body at all", encoding, MIB)
    assert refused.value.reason is Reason.MALFORMED


@every_format
def test_a_bomb_is_refused_before_it_fills_the_memory(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(b"\0" * (128 * MIB))
    assert len(bomb) < MIB
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="larger than") as refused:
            decompress(bomb, encoding, MIB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.reason is Reason.TOO_LARGE
    assert peak < 80 * MIB


def test_a_plain_body_has_the_same_limit() -> None:
    assert decompress(b"1234", "identity", 4) == b"1234"
    with pytest.raises(Refused, match="larger than 4 bytes"):
        decompress(b"12345", "", 4)


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(Refused, match="'br' is none of gzip, zstd, deflate") as refused:
        decompress(b"", "br", 10)
    assert refused.value.reason is Reason.UNSUPPORTED_ENCODING


@every_format
def test_a_body_that_grows_too_many_times_is_refused(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    body = compress(bytes(3 * MIB))
    with pytest.raises(Refused, match="more than 50 times its size") as refused:
        decompress(body, encoding, 64 * MIB, 50)
    assert refused.value.reason is Reason.COMPRESSION_RATIO
    # what is small may grow as it likes, and what does not grow so much may be large
    assert len(decompress(compress(bytes(MIB // 2)), encoding, 64 * MIB, 50)) == MIB // 2
    noise = random.Random(1).randbytes(MIB) * 2
    assert decompress(compress(noise), encoding, 64 * MIB, 50) == noise
