"""Certificates with keys and hashes below our floor, most of which no honest tool would make."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ike.crypto import CertificateError, SignatureScheme, verify
from ike.crypto.certificates import decode
from ike.crypto.chain import read_bag, verify_chain
from ike.errors import ConfigError, PeerError
from tests.certificates import WALL, Authority

NAME = "gw.hospital.test"
ROOT = Authority.create("Hospital Root")
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def with_key(modulus: int, exponent: int) -> bytes:
    """Forge a certificate of the root for any RSA numbers at all, which no builder would make."""
    template = ROOT.issue(NAME, key=RSA_KEY)
    old = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    numbers = element(0x30, element(0x02, signed(modulus)) + element(0x02, signed(exponent)))
    new = element(0x30, algorithm + element(0x03, b"\0" + numbers))
    body = template.certificate.tbs_certificate_bytes
    tbs = element(0x30, body[4:].replace(old, new))
    assert isinstance(ROOT.key, ec.EllipticCurvePrivateKey)
    signature = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA384()))
    ecdsa_sha384 = bytes.fromhex("300a06082a8648ce3d040303")
    return element(0x30, tbs + ecdsa_sha384 + element(0x03, b"\0" + signature))


def signed(number: int) -> bytes:
    """Write a number as the content of a DER INTEGER."""
    return number.to_bytes(number.bit_length() // 8 + 1)


def element(tag: int, body: bytes) -> bytes:
    """Write a DER element of any length."""
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + body


def test_the_forger_can_make_a_good_one_too() -> None:
    numbers = RSA_KEY.public_key().public_numbers()
    forged = with_key(numbers.n, numbers.e)
    assert verify_chain(decode(forged), (), (ROOT.der,), WALL).leaf.key == RSA_KEY.public_key()


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 17, 257, 65535, 65536, 2**64 + 1, 2**2040 + 1], ids=hex)
def test_a_strange_rsa_exponent_is_refused(exponent: int) -> None:
    with pytest.raises(CertificateError):
        decode(with_key(RSA_KEY.public_key().public_numbers().n, exponent))


@pytest.mark.parametrize("bits", [0, 1, 8, 512, 1024, 2047, 8193, 16384, 65536])
def test_an_rsa_key_of_a_strange_size_is_refused(bits: int) -> None:
    modulus = (1 << bits) - 1 if bits < 8193 else (1 << (bits - 1)) + 1
    with pytest.raises(CertificateError):
        decode(with_key(modulus, 65537))


def test_an_even_rsa_modulus_never_verifies_and_never_crashes() -> None:
    try:
        found = decode(with_key(1 << 2047, 65537))
    except CertificateError:
        return
    with pytest.raises(PeerError):
        verify(found.key, SignatureScheme.RSA_PSS_SHA256, b"data", b"\x01" * 256)


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256K1(), ec.BrainpoolP256R1()])
def test_a_curve_we_do_not_sign_with_is_refused(curve: ec.EllipticCurve) -> None:
    with pytest.raises(CertificateError, match="kind that is not accepted"):
        decode(ROOT.issue(NAME, key=ec.generate_private_key(curve)).der)


def test_an_issuer_with_a_short_key_is_no_issuer() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    below = ROOT.intermediate("Weak", key=weak).issue(NAME)
    with pytest.raises(CertificateError, match="does not lead"):
        verify_chain(decode(below.der), read_bag((below.der, *below.chain)), (ROOT.der,), WALL)
    root = Authority.create("Weak Root", key=weak)
    with pytest.raises(ConfigError, match="1024 bits"):
        verify_chain(decode(root.issue(NAME).der), (), (root.der,), WALL)


def test_a_signature_with_sha1_is_refused_below_the_anchor() -> None:
    root = Authority.create("Old", key=RSA_KEY)
    # no builder signs with SHA-1 any more, so the SHA-256 one is renamed and signed anew
    sha256, sha1_too = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    tbs = root.issue(NAME).certificate.tbs_certificate_bytes.replace(sha256, sha1_too)
    signature = RSA_KEY.sign(tbs, padding.PKCS1v15(), hashes.SHA1())
    old = element(0x30, tbs + element(0x30, element(0x06, sha1_too) + b"\x05\0") + element(0x03, b"\0" + signature))
    with pytest.raises(CertificateError, match="weak hash"):
        verify_chain(decode(old), (), (root.der,), WALL)
    assert verify_chain(decode(old), (), (old,), WALL).issuers == ()
