"""Signatures: their names on the wire, keys from files, and forgeries that must not pass."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from ike.crypto import Family, FileKey, SignatureScheme, load_private_key, verify
from ike.crypto.signature import HASHES, PublicKey, raw_from_der, raw_to_der
from ike.errors import ConfigError, PeerError
from ike.registry import HashAlgorithm
from tests.certificates import PrivateKey, new_key

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, PrivateKey] = {
    "ecdsa-p256": new_key("ecdsa-p256"),
    "ecdsa-p384": new_key("ecdsa-p384"),
    "ecdsa-p521": new_key("ecdsa-p521"),
    "ed25519": new_key("ed25519"),
    "rsa-2048": RSA_KEY,
}
FILE_KEYS = {
    kind: load_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for kind, key in KEYS.items()
}
PAIRS = [(kind, scheme) for kind, key in FILE_KEYS.items() for scheme in key.schemes()]
SHA256 = "06096086480165030402010500"


def refused(key: PublicKey, scheme: SignatureScheme, data: bytes, signature: bytes) -> str:
    """Expect a refusal; give back the sentence."""
    with pytest.raises(PeerError) as caught:
        verify(key, scheme, data, signature)
    assert caught.value.code == "gateway.signature"
    return caught.value.detail


# Names on the wire


@pytest.mark.parametrize(
    ("scheme", "identifier"),
    [  # RFC 7427 Appendix A, RFC 8420 Appendix A; PSS as DER wants it, without the default trailer field
        (SignatureScheme.RSA_PKCS1_SHA256, "300d06092a864886f70d01010b0500"),
        (SignatureScheme.RSA_PKCS1_SHA384, "300d06092a864886f70d01010c0500"),
        (SignatureScheme.RSA_PKCS1_SHA512, "300d06092a864886f70d01010d0500"),
        (SignatureScheme.ECDSA_SHA256, "300a06082a8648ce3d040302"),
        (SignatureScheme.ECDSA_SHA384, "300a06082a8648ce3d040303"),
        (SignatureScheme.ECDSA_SHA512, "300a06082a8648ce3d040304"),
        (SignatureScheme.ED25519, "300506032b6570"),
        (
            SignatureScheme.RSA_PSS_SHA256,
            f"304106092a864886f70d01010a3034a00f300d{SHA256}a11c301a06092a864886f70d010108300d{SHA256}a203020120",
        ),
    ],
)
def test_algorithm_identifiers_are_those_of_the_rfcs(scheme: SignatureScheme, identifier: str) -> None:
    assert scheme.identifier.hex() == identifier
    assert SignatureScheme.of_identifier(bytes.fromhex(identifier)) is scheme


def test_the_spelling_of_rfc_7427_with_its_trailer_field_is_understood() -> None:
    mask = f"a11c301a06092a864886f70d010108300d{SHA256}"
    spelt = f"304606092a864886f70d01010a3039a00f300d{SHA256}{mask}a203020120a303020101"
    assert SignatureScheme.of_identifier(bytes.fromhex(spelt)) is SignatureScheme.RSA_PSS_SHA256


@pytest.mark.parametrize("scheme", SignatureScheme)
def test_each_scheme_is_found_by_its_own_octets_alone(scheme: SignatureScheme) -> None:
    assert SignatureScheme.of_identifier(scheme.identifier) is scheme
    for near in (scheme.identifier + b"\0", scheme.identifier[:-1], b""):
        with pytest.raises(PeerError, match="not accepted"):
            SignatureScheme.of_identifier(near)


@pytest.mark.parametrize(
    "identifier",
    [
        "300d06092a864886f70d0101050500",  # SHA-1 with RSA
        "300d06092a864886f70d0101040500",  # MD5 with RSA
        "300906072a8648ce3d0401",  # ECDSA with SHA-1
        "300d06092a864886f70d01010a3000",  # PSS with its defaults, SHA-1
        f"304106092a864886f70d01010a3034a00f300d{SHA256}a11c301a06092a864886f70d010108300d{SHA256}a203020100",
        f"304206092a864886f70d01010a3035a00f300d{SHA256}a11c301a06092a864886f70d010108300d{SHA256}a20402027fff",
        f"303d06092a864886f70d01010a3030a00f300d{SHA256}a118301606092a864886f70d010108300906052b0e03021a0500a203020120",
        "300506032b6571",  # Ed448
    ],
)
def test_weak_or_strange_algorithms_are_not_understood(identifier: str) -> None:
    with pytest.raises(PeerError, match="not accepted"):
        SignatureScheme.of_identifier(bytes.fromhex(identifier))


@given(st.binary(max_size=100))
def test_garbage_for_an_algorithm_is_refused(garbage: bytes) -> None:
    with pytest.raises(PeerError):
        SignatureScheme.of_identifier(garbage)


def test_schemes_have_words_for_people() -> None:
    assert SignatureScheme.ECDSA_SHA384.words == "ECDSA with SHA-384"
    assert SignatureScheme.ED25519.words == "Ed25519"


# Signing and verifying


@pytest.mark.parametrize(("kind", "scheme"), PAIRS)
def test_what_a_file_key_signs_its_public_key_verifies(kind: str, scheme: SignatureScheme) -> None:
    signature, public = FILE_KEYS[kind].sign(scheme, b"octets"), KEYS[kind].public_key()
    verify(public, scheme, b"octets", signature)
    refused(public, scheme, b"octetz", signature)
    refused(public, scheme, b"octets", signature[:-1])
    refused(public, scheme, b"octets", signature[:-1] + bytes([signature[-1] ^ 1]))
    refused(new_key(kind).public_key(), scheme, b"octets", signature)


@pytest.mark.parametrize(("kind", "scheme"), PAIRS)
@pytest.mark.parametrize("signature", [b"", b"\0", bytes(64), bytes(256), b"\xff" * 256, bytes(65536)])
def test_empty_zero_and_huge_signatures_are_refused(kind: str, scheme: SignatureScheme, signature: bytes) -> None:
    refused(KEYS[kind].public_key(), scheme, b"octets", signature)


@pytest.mark.parametrize("scheme", [SignatureScheme.ECDSA_SHA256, SignatureScheme.ECDSA_SHA384])
@pytest.mark.parametrize("numbers", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_ecdsa_numbers_of_zero_and_one_are_refused(scheme: SignatureScheme, numbers: tuple[int, int]) -> None:
    raw = b"".join(number.to_bytes(48) for number in numbers)
    refused(KEYS["ecdsa-p384"].public_key(), scheme, b"octets", raw_to_der(raw, 48))


@pytest.mark.parametrize("scheme", SignatureScheme)
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_a_key_of_another_kind_is_refused(kind: str, scheme: SignatureScheme) -> None:
    if scheme not in FILE_KEYS[kind].schemes():
        assert "cannot make" in refused(KEYS[kind].public_key(), scheme, b"octets", bytes(256))
        with pytest.raises(ConfigError, match="cannot make"):
            FILE_KEYS[kind].sign(scheme, b"octets")


@given(pair=st.sampled_from(PAIRS), signature=st.binary(max_size=300))
def test_garbage_for_a_signature_is_refused(pair: tuple[str, SignatureScheme], signature: bytes) -> None:
    refused(KEYS[pair[0]].public_key(), pair[1], b"octets", signature)


def test_rsa_paddings_are_not_mistaken_for_each_other() -> None:
    key, public = FILE_KEYS["rsa-2048"], RSA_KEY.public_key()
    pss, pkcs1 = SignatureScheme.RSA_PSS_SHA256, SignatureScheme.RSA_PKCS1_SHA256
    refused(public, pkcs1, b"octets", key.sign(pss, b"octets"))
    refused(public, pss, b"octets", key.sign(pkcs1, b"octets"))
    refused(public, SignatureScheme.RSA_PKCS1_SHA384, b"octets", key.sign(pkcs1, b"octets"))


def encoded(block: bytes) -> bytes:
    """Do the bare RSA operation on a block, as only the key's owner (or a forger with e = 3) can."""
    numbers = RSA_KEY.private_numbers()
    return pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n).to_bytes(256)


DIGEST = hashlib.sha256(b"octets").digest()
INFO = bytes.fromhex("3031300d060960864801650304020105000420") + DIGEST


def padded(tail: bytes, start: bytes = b"\0\1", filler: bytes = b"\xff") -> bytes:
    """Lay out an EMSA-PKCS1-v1_5 block: start | filler | 0 | tail (RFC 8017 §9.2)."""
    return start + filler * (253 - len(tail)) + b"\0" + tail


def test_the_forger_can_make_a_good_block_too() -> None:
    verify(RSA_KEY.public_key(), SignatureScheme.RSA_PKCS1_SHA256, b"octets", encoded(padded(INFO)))


@pytest.mark.parametrize(
    "block",
    [
        b"\0\1" + b"\xff" * 8 + b"\0" + INFO + b"\xff" * (245 - len(INFO)),  # garbage behind (Bleichenbacher 2006)
        padded(INFO + b"\0"),
        padded(INFO, filler=b"\0"),
        padded(INFO, filler=b"\xfe"),
        padded(INFO, start=b"\0\2"),  # block type of encryption
        padded(INFO, start=b"\0\0"),
        padded(b"\0" + INFO),
        padded(DIGEST),  # the hash alone
        padded(bytes.fromhex("302f300b06096086480165030402010420") + DIGEST),  # parameters left out
        padded(bytes.fromhex("3033300f06096086480165030402010402abcd0420") + DIGEST),  # garbage in them: CVE-2018-16151
        padded(bytes.fromhex("308131300d060960864801650304020105000420") + DIGEST),  # a length in long form
        padded(bytes.fromhex("3031300d060960864801650304020205000420") + DIGEST),  # another hash's name
        padded(bytes.fromhex("3021300906052b0e03021a05000414") + DIGEST[:20]),  # SHA-1's name
    ],
)
def test_forgeries_of_pkcs1_v15_are_refused(block: bytes) -> None:
    assert len(block) == 256
    refused(RSA_KEY.public_key(), SignatureScheme.RSA_PKCS1_SHA256, b"octets", encoded(block))


@pytest.mark.parametrize("salt", [0, 1, 31, 33, 222])
def test_a_pss_salt_of_another_length_is_refused(salt: int) -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    signature = RSA_KEY.sign(b"octets", pss, hashes.SHA256())
    refused(RSA_KEY.public_key(), SignatureScheme.RSA_PSS_SHA256, b"octets", signature)


def test_a_pss_mask_with_another_hash_is_refused() -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), 32)
    signature = RSA_KEY.sign(b"octets", pss, hashes.SHA256())
    refused(RSA_KEY.public_key(), SignatureScheme.RSA_PSS_SHA256, b"octets", signature)


@given(numbers=st.tuples(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1)))
def test_raw_and_der_say_the_same_two_numbers(numbers: tuple[int, int]) -> None:
    raw = b"".join(number.to_bytes(32) for number in numbers)
    assert raw_from_der(raw_to_der(raw, 32), 32) == raw


@pytest.mark.parametrize("size", [0, 1, 63, 65, 96, 132])
def test_a_raw_signature_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(PeerError, match="not 64"):
        raw_to_der(bytes(size), 32)


@pytest.mark.parametrize("signature", [b"", b"rubbish", bytes(64), raw_to_der(b"\xff" * 96, 48)])
def test_what_our_own_key_holder_made_wrong_is_our_own_mistake(signature: bytes) -> None:
    with pytest.raises(ConfigError, match="our key made"):
        raw_from_der(signature, 32)


# Keys from files


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("ecdsa-p256", SignatureScheme.ECDSA_SHA256),
        ("ecdsa-p384", SignatureScheme.ECDSA_SHA384),
        ("ecdsa-p521", SignatureScheme.ECDSA_SHA512),
        ("ed25519", SignatureScheme.ED25519),
        ("rsa-2048", SignatureScheme.RSA_PSS_SHA256),
    ],
)
def test_a_key_names_its_best_scheme_first(kind: str, first: SignatureScheme) -> None:
    assert FILE_KEYS[kind].schemes()[0] is first


def test_a_key_keeps_to_the_hashes_the_peer_accepts() -> None:
    key = FILE_KEYS["ecdsa-p384"]
    assert key.schemes({HashAlgorithm.SHA2_256}) == (SignatureScheme.ECDSA_SHA256,)
    assert key.schemes({HashAlgorithm.SHA1, 99}) == ()
    assert FILE_KEYS["ed25519"].schemes({HashAlgorithm.SHA2_512}) == ()
    families = {scheme.family for scheme in FILE_KEYS["rsa-2048"].schemes({HashAlgorithm.SHA2_512})}
    assert families == {Family.RSA_PSS, Family.RSA_PKCS1}


def pem(key: PrivateKey, password: bytes | None = None, layout: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """Write a key file."""
    return key.private_bytes(Encoding.PEM, layout, BestAvailableEncryption(password) if password else NoEncryption())


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_an_encrypted_key_opens_with_its_password_only(kind: str) -> None:
    locked = pem(KEYS[kind], b"open sesame")
    assert load_private_key(locked, b"open sesame").matches(KEYS[kind].public_key())
    for password, sentence in ((None, "needs a password"), (b"wrong", "password is wrong")):
        with pytest.raises(ConfigError, match=sentence) as caught:
            load_private_key(locked, password)
        assert "sesame" not in str(caught.value)


def test_an_old_openssl_layout_is_read_too() -> None:
    for kind in ("ecdsa-p256", "rsa-2048"):
        assert load_private_key(pem(KEYS[kind], None, PrivateFormat.TraditionalOpenSSL)).schemes()


def test_a_password_for_an_open_key_is_pointed_out() -> None:
    with pytest.raises(ConfigError, match="is not encrypted"):
        load_private_key(pem(KEYS["ed25519"]), b"password")


@pytest.mark.parametrize("rubbish", [b"", b"hello", bytes(100), b"ssh-ed25519 AAAA"])
def test_what_is_not_pem_is_said_to_be_so(rubbish: bytes) -> None:
    with pytest.raises(ConfigError, match="not a PEM file"):
        load_private_key(rubbish)


def test_a_damaged_key_is_said_to_be_so() -> None:
    whole = pem(KEYS["rsa-2048"])
    for damaged in (whole[:200], whole.replace(b"M", b"N"), b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"):
        with pytest.raises(ConfigError, match=r"is damaged|not supported"):
            load_private_key(damaged)


@given(st.binary(max_size=120))
def test_a_garbage_key_file_is_one_sentence(garbage: bytes) -> None:
    with pytest.raises(ConfigError):
        load_private_key(b"-----BEGIN PRIVATE KEY-----\n" + garbage + b"\n-----END PRIVATE KEY-----\n", b"password")


def other_keys() -> list[bytes]:
    """Make key files of kinds that sign nothing for us."""
    keys: list[PrivateKeyTypes] = [
        x25519.X25519PrivateKey.generate(),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(1024),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),
        rsa.generate_private_key(3, 2048),
    ]
    return [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys]


@pytest.mark.parametrize("file", other_keys(), ids=["x25519", "ed448", "dsa", "secp256k1", "rsa-1024", "rsa-e3"])
def test_a_key_that_cannot_serve_is_refused(file: bytes) -> None:
    with pytest.raises(ConfigError, match=r"not supported|cannot be used"):
        load_private_key(file)


def test_a_file_key_never_shows_itself() -> None:
    key = FILE_KEYS["rsa-2048"]
    assert (repr(key), str(key)) == ("FileKey()", "FileKey()")
    assert isinstance(key, FileKey)
    assert not key.matches(KEYS["ed25519"].public_key())


def test_every_hash_has_its_number() -> None:
    assert {scheme.hash for scheme in SignatureScheme} == {*HASHES, HashAlgorithm.IDENTITY}
    assert isinstance(KEYS["ed25519"], ed25519.Ed25519PrivateKey)
