"""Signatures over whole documents: the RFC's own example, and every file that is no key of ours."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given
from hypothesis import strategies as st

from ike.crypto.detached import SigningKey, load_signing_key, load_verifying_key
from ike.errors import ConfigError

KEY = SigningKey.of(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))


def test_the_first_example_of_rfc_8032_section_7_1():
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert KEY.sign(b"") == signature
    assert KEY.public.verifies(b"", signature)
    assert KEY.digest == "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"


def test_both_halves_are_read_back_from_their_files():
    assert load_signing_key(KEY.pem).digest == KEY.digest
    assert load_verifying_key(KEY.public.pem).digest == KEY.digest


@given(st.integers(0, 511), st.integers(0, 23))
def test_one_bit_changed_anywhere_is_no_signature(of_signature: int, of_message: int):
    message, signature = b"abc", KEY.sign(b"abc")
    assert not KEY.public.verifies(message, _flipped(signature, of_signature))
    assert not KEY.public.verifies(_flipped(message, of_message), signature)


def _flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data) ^ 1 << bit).to_bytes(len(data))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_none(length: int):
    assert not KEY.public.verifies(b"", bytes(length))


EC = generate_private_key(SECP256R1())
EC_PRIVATE = EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
EC_PUBLIC = EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ENCRYPTED = Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"", "it holds no private key in PEM"),
        (KEY.public.pem, "it holds no private key in PEM"),
        (EC_PRIVATE, "its key is no Ed25519 key"),
        (ENCRYPTED, "its key is encrypted; decrypt it first"),
    ],
)
def test_what_cannot_sign_is_told(pem: bytes, why: str):
    with pytest.raises(ConfigError) as refused:
        load_signing_key(pem)
    assert refused.value.detail == why


@pytest.mark.parametrize(("pem", "why"), [(KEY.pem, "no public key"), (EC_PUBLIC, "no Ed25519 key")])
def test_what_cannot_verify_is_told(pem: bytes, why: str):
    with pytest.raises(ConfigError, match=why):
        load_verifying_key(pem)


@given(st.binary(max_size=200))
@example(b"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n")
@example(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
def test_garbage_is_no_key(garbage: bytes):
    for load in (load_signing_key, load_verifying_key):
        with pytest.raises(ConfigError):
            load(garbage)


def test_no_key_shows_itself():
    assert "9d61" not in repr(KEY)
    assert repr(KEY) == "SigningKey()"
