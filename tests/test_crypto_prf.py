"""The pseudorandom functions against hashlib alone."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike.crypto import prf, sha1, sha256
from ike.errors import ConfigError
from ike.proposal import Transform
from ike.registry import Prf, TransformType

NAMES = {Prf.HMAC_SHA2_256: "sha256", Prf.HMAC_SHA2_384: "sha384", Prf.HMAC_SHA2_512: "sha512"}


@given(number=st.sampled_from(sorted(NAMES)), key=st.binary(max_size=300), seed=st.binary(max_size=80), data=st.data())
def test_prf_plus_is_the_chain_of_rfc_7296(number: Prf, key: bytes, seed: bytes, data: st.DataObject) -> None:
    function = prf(Transform(TransformType.PRF, number))
    length = data.draw(st.integers(0, 5 * function.size))
    # T1 = prf(K, S | 0x01), T2 = prf(K, T1 | S | 0x02), ...   (RFC 7296 §2.13)
    blocks = [b""]
    for counter in range(1, 7):
        blocks.append(hmac.new(key, blocks[-1] + seed + bytes([counter]), NAMES[number]).digest())
    assert function.plus(key, seed, length) == b"".join(blocks)[:length]
    assert function(key, seed) == hmac.new(key, seed, NAMES[number]).digest()


@pytest.mark.parametrize("number", sorted(NAMES))
def test_prf_plus_ends_after_255_blocks(number: Prf) -> None:
    function = prf(Transform(TransformType.PRF, number))
    assert len(function.plus(b"key", b"seed", 255 * function.size)) == 255 * function.size
    with pytest.raises(ValueError, match="ends after"):
        function.plus(b"key", b"seed", 255 * function.size + 1)


@pytest.mark.parametrize("number", [0, Prf.HMAC_MD5, Prf.HMAC_SHA1, Prf.AES128_XCBC, Prf.AES128_CMAC, 65535])
def test_an_old_or_unknown_function_is_refused(number: int) -> None:
    with pytest.raises(ConfigError, match="not supported"):
        prf(Transform(TransformType.PRF, number))


def test_the_plain_hashes_are_what_their_names_say() -> None:
    assert sha1(b"abc").hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert sha256(b"abc") == hashlib.sha256(b"abc").digest()
