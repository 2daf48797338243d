"""The boxes of the Encrypted payload, checked against the bare ciphers and against every kind of damage."""

import hashlib
import hmac
import random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ike.crypto import Box, IntegrityError, box_for, encryption_key_size, integrity_key_size
from ike.errors import ConfigError
from ike.proposal import Transform
from ike.registry import Encr, Integ, TransformType


def cipher(number: int, bits: int | None = None) -> Transform:
    """Name a cipher."""
    return Transform(TransformType.ENCR, number, bits)


def integrity(number: int) -> Transform:
    """Name an integrity algorithm."""
    return Transform(TransformType.INTEG, number)


GCM_128, GCM_256 = cipher(Encr.AES_GCM_16, 128), cipher(Encr.AES_GCM_16, 256)
CHACHA = cipher(Encr.CHACHA20_POLY1305)
CBC_128, CBC_256 = cipher(Encr.AES_CBC, 128), cipher(Encr.AES_CBC, 256)
SHA256 = integrity(Integ.HMAC_SHA2_256_128)
SHA384 = integrity(Integ.HMAC_SHA2_384_192)
SHA512 = integrity(Integ.HMAC_SHA2_512_256)

SUITES = [
    (GCM_128, None, 20, 0, 8, 16),
    (GCM_256, None, 36, 0, 8, 16),
    (CHACHA, None, 36, 0, 8, 16),
    *(
        (encr, integ, key, digest, 16, digest // 2)
        for encr, key in ((CBC_128, 16), (CBC_256, 32))
        for integ, digest in ((SHA256, 32), (SHA384, 48), (SHA512, 64))
    ),
]


def keys_for(encr: Transform, integ: Transform | None) -> tuple[bytes, bytes]:
    """Make fixed keys of the right lengths."""
    dice = random.Random(7)
    return dice.randbytes(encryption_key_size(encr)), dice.randbytes(integrity_key_size(integ))


def box_of(encr: Transform, integ: Transform | None) -> Box:
    """Make a box with fixed keys."""
    return box_for(encr, integ, *keys_for(encr, integ))


BOXES = [box_of(encr, integ) for encr, integ, *_ in SUITES]


@pytest.mark.parametrize(("encr", "integ", "key_e", "key_a", "iv", "icv"), SUITES)
def test_sizes_are_those_of_the_rfcs(
    encr: Transform, integ: Transform | None, key_e: int, key_a: int, iv: int, icv: int
) -> None:
    box = box_of(encr, integ)
    assert (encryption_key_size(encr), integrity_key_size(integ), box.iv_size, box.icv_size) == (key_e, key_a, iv, icv)


@given(box=st.sampled_from(BOXES), body=st.binary(max_size=200), aad=st.binary(max_size=64), data=st.data())
def test_what_is_sealed_opens_again(box: Box, body: bytes, aad: bytes, data: st.DataObject) -> None:
    iv = data.draw(st.binary(min_size=box.iv_size, max_size=box.iv_size))
    plaintext = body + bytes(box.pad(len(body)) + 1)
    sealed = box.seal(iv, aad, plaintext)
    assert len(sealed) == len(plaintext) + box.icv_size
    assert box.open(iv, aad, sealed) == plaintext


@given(box=st.sampled_from(BOXES), aad=st.binary(min_size=1, max_size=64), data=st.data())
def test_any_flipped_bit_fails_the_check(box: Box, aad: bytes, data: st.DataObject) -> None:
    iv, plaintext = bytes(range(box.iv_size)), bytes(32)
    parts = {"iv": iv, "aad": aad, "sealed": box.seal(iv, aad, plaintext)}
    where = data.draw(st.sampled_from(sorted(parts)))
    bit = data.draw(st.integers(0, 8 * len(parts[where]) - 1))
    damaged = bytearray(parts[where])
    damaged[bit // 8] ^= 1 << bit % 8
    parts[where] = bytes(damaged)
    with pytest.raises(IntegrityError):
        box.open(**parts)


@given(box=st.sampled_from(BOXES), iv=st.binary(max_size=24), aad=st.binary(max_size=32), sealed=st.binary(max_size=99))
def test_garbage_is_an_integrity_error_and_nothing_else(box: Box, iv: bytes, aad: bytes, sealed: bytes) -> None:
    with pytest.raises(IntegrityError):
        box.open(iv, aad, sealed)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("size", range(70))
def test_a_payload_shorter_than_iv_and_checksum_is_refused(box: Box, size: int) -> None:
    with pytest.raises(IntegrityError):
        box.open(bytes(box.iv_size), b"", bytes(size))


def test_gcm_takes_its_salt_from_the_tail_of_the_key_and_the_iv_behind_it() -> None:
    key, _ = keys_for(GCM_256, None)
    sealed = box_for(GCM_256, None, key, b"").seal(b"12345678", b"header", b"payloads")
    encryptor = Cipher(algorithms.AES(key[:32]), modes.GCM(key[32:] + b"12345678")).encryptor()
    encryptor.authenticate_additional_data(b"header")
    assert sealed == encryptor.update(b"payloads") + encryptor.finalize() + encryptor.tag


@pytest.mark.parametrize("integ", [SHA256, SHA384, SHA512])
def test_cbc_authenticates_header_iv_and_ciphertext_with_a_truncated_hmac(integ: Transform) -> None:
    key_e, key_a = keys_for(CBC_256, integ)
    iv, plaintext = bytes(range(16)), bytes(48)
    sealed = box_for(CBC_256, integ, key_e, key_a).seal(iv, b"header", plaintext)
    encryptor = Cipher(algorithms.AES(key_e), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    name = {32: "sha256", 48: "sha384", 64: "sha512"}[len(key_a)]
    full = hmac.new(key_a, b"header" + iv + ciphertext, getattr(hashlib, name)).digest()
    assert sealed == ciphertext + full[: len(full) // 2]


def test_cbc_pads_so_that_the_pad_length_octet_ends_a_block() -> None:
    box = box_of(CBC_128, SHA256)
    assert [box.pad(length) for length in (0, 14, 15, 16, 31)] == [15, 1, 0, 15, 0]
    assert box_of(GCM_128, None).pad(5) == 0


@pytest.mark.parametrize(
    ("encr", "integ"),
    [
        (cipher(Encr.AES_GCM_16, 192), None),
        (cipher(Encr.AES_GCM_16), None),
        (cipher(Encr.AES_CBC, 64), SHA256),
        (cipher(Encr.TRIPLE_DES), SHA256),
        (cipher(Encr.NULL), SHA256),
        (cipher(Encr.CHACHA20_POLY1305, 256), None),
        (CBC_256, integrity(Integ.HMAC_SHA1_96)),
        (CBC_256, integrity(Integ.HMAC_MD5_96)),
        (CBC_256, None),
        (GCM_256, SHA256),
    ],
)
def test_a_suite_we_do_not_speak_is_our_own_mistake(encr: Transform, integ: Transform | None) -> None:
    with pytest.raises(ConfigError):
        box_for(encr, integ, bytes(36 if encr.id == Encr.AES_GCM_16 else 32), bytes(32 if integ else 0))


@pytest.mark.parametrize(("key_e", "key_a"), [(0, 0), (35, 0), (37, 0), (36, 32)])
def test_keys_of_another_length_are_refused(key_e: int, key_a: int) -> None:
    with pytest.raises(ConfigError, match="lengths of their suite"):
        box_for(GCM_256, None, bytes(key_e), bytes(key_a))


def test_sealing_with_a_wrong_iv_or_half_a_block_is_refused() -> None:
    with pytest.raises(ConfigError):
        box_of(GCM_256, None).seal(bytes(12), b"", b"")
    with pytest.raises(ConfigError):
        box_of(CBC_256, SHA256).seal(bytes(16), b"", bytes(15))
    with pytest.raises(ConfigError):
        box_of(CBC_256, SHA256).seal(bytes(8), b"", bytes(16))


@pytest.mark.parametrize(("encr", "integ"), [suite[:2] for suite in SUITES])
def test_keys_never_show(encr: Transform, integ: Transform | None) -> None:
    key_e, key_a = keys_for(encr, integ)
    shown = repr(box_for(encr, integ, key_e, key_a))
    for secret in (key_e, key_e[-4:], key_a):
        assert not secret or (secret.hex() not in shown and repr(secret)[2:-1] not in shown)
