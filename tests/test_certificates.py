"""Certificates: what is read, which chains hold, and whose name a leaf carries."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from ike.crypto import CertificateError, Role, distinguished_name, read_pem, sha1
from ike.crypto.certificates import decode
from ike.crypto.chain import Chain, read_bag, verify_chain
from ike.crypto.names import match_identity
from ike.errors import ConfigError, PeerError
from ike.identity import Identity
from ike.registry import NotifyType
from tests.certificates import FROM, UNTIL, WALL, Authority, Issued, common_name

NAME = "gw.hospital.test"
GATEWAY = Identity.fqdn(NAME)
EXPIRED = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Authority.create("Hospital Root")
MIDDLE = ROOT.intermediate("Hospital Issuing")
LEAF = MIDDLE.issue(NAME)
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def judge(
    issued: Issued,
    *extra: bytes,
    anchors: tuple[bytes, ...] = (ROOT.der,),
    wall: float = WALL,
    role: Role = Role.GATEWAY,
) -> Chain:
    """Verify a chain as the peer would show it."""
    leaf, *others = read_bag((issued.der, *issued.chain, *extra))
    assert leaf.der == issued.der
    return verify_chain(leaf, others, anchors, wall, role)


def refused(code: str, issued: Issued, *extra: bytes, anchors: tuple[bytes, ...] = (ROOT.der,)) -> str:
    """Expect a chain to be refused with a code; give back the sentence."""
    with pytest.raises(CertificateError) as caught:
        judge(issued, *extra, anchors=anchors)
    assert caught.value.code == f"gateway.certificate.{code}"
    assert caught.value.notify == NotifyType.AUTHENTICATION_FAILED
    return caught.value.detail


# Reading


def test_a_certificate_is_read_once_into_a_value() -> None:
    issued = MIDDLE.issue(NAME, "192.0.2.1", "2001:db8::1", "vpn@hospital.test", x509.DirectoryName(common_name("gw")))
    found = decode(issued.der)
    assert found.names == (
        GATEWAY,
        Identity.address("192.0.2.1"),
        Identity.address("2001:db8::1"),
        Identity.email("vpn@hospital.test"),
        distinguished_name("CN=gw"),
    )
    assert found.common_names == (NAME,)
    assert (found.not_before, found.not_after) == (FROM.timestamp(), UNTIL.timestamp())
    assert (found.is_authority, found.may_sign, found.purposes) == (False, True, frozenset({"1.3.6.1.5.5.7.3.1"}))
    spki = issued.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found.key_hash == sha1(spki)
    assert found.sha256 == issued.certificate.fingerprint(hashes.SHA256()).hex()
    assert found.title == "CN=gw.hospital.test"


def test_alternative_names_that_ike_cannot_ask_for_are_left_out() -> None:
    issued = MIDDLE.issue(NAME, x509.UniformResourceIdentifier("https://hospital.test/"))
    assert decode(issued.der).names == (GATEWAY,)


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", bytes(100), LEAF.pem])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(CertificateError, match="cannot be read"):
        decode(der)


def test_a_certificate_beyond_the_cap_is_not_even_parsed() -> None:
    with pytest.raises(CertificateError, match="65537 octets"):
        decode(LEAF.der + bytes(65537 - len(LEAF.der)))


def test_octets_behind_the_certificate_are_refused() -> None:
    with pytest.raises(CertificateError, match="cannot be read"):
        decode(LEAF.der + b"\0")


@given(st.binary(max_size=200))
@example(b"0" * 200)
def test_garbage_is_refused_with_one_kind_of_error(garbage: bytes) -> None:
    with pytest.raises(CertificateError):
        decode(garbage)


@given(seed=st.integers(0, 2**32), flips=st.integers(1, 4), which=st.sampled_from([LEAF.der, MIDDLE.der]))
def test_a_damaged_certificate_is_never_trusted_and_never_another_error(seed: int, flips: int, which: bytes) -> None:
    dice, damaged = random.Random(seed), bytearray(which)
    for _ in range(flips):
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    try:
        found = decode(bytes(damaged))
        match_identity(found, GATEWAY, allow_common_name=True)
        verify_chain(found, read_bag((bytes(damaged), MIDDLE.der)), (ROOT.der,), WALL)
    except PeerError:
        return
    assert bytes(damaged) == which


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_a_bag_of_garbage_is_refused_with_one_kind_of_error(bag: list[bytes]) -> None:
    with pytest.raises(CertificateError):
        read_bag(bag)


def test_pem_files_give_every_certificate_in_order() -> None:
    assert read_pem(LEAF.pem + b"noise\n" + MIDDLE.pem) == (LEAF.der, MIDDLE.der)
    for nothing in (b"", b"hello", LEAF.der, LEAF.key_pem, LEAF.pem[:-40]):
        with pytest.raises(ConfigError, match="PEM"):
            read_pem(nothing)


# Finding the leaf


def test_the_leaf_is_found_in_any_order_of_the_bundle() -> None:
    bag = [ROOT.der, MIDDLE.der, LEAF.der]
    for _ in range(6):
        random.Random(len(bag)).shuffle(bag)
        bag = bag[1:] + bag[:1]
        leaf, *others = read_bag(bag)
        assert leaf.der == LEAF.der
        assert len(verify_chain(leaf, others, (ROOT.der,), WALL).issuers) == 2


def test_no_certificate_at_all_has_its_own_code() -> None:
    with pytest.raises(CertificateError) as caught:
        read_bag(())
    assert caught.value.code == "gateway.certificate.missing"


def test_too_many_certificates_or_octets_are_refused() -> None:
    assert [found.der for found in read_bag([LEAF.der] * 16)] == [LEAF.der]
    for bag in ([LEAF.der] * 17, [LEAF.der, bytes(65536)]):
        with pytest.raises(CertificateError, match="more than"):
            read_bag(bag)


# Chains that hold


def test_a_chain_to_the_root_holds_and_tells_its_first_expiry() -> None:
    soon = datetime(2027, 1, 1, tzinfo=UTC)
    chain = judge(ROOT.intermediate("Short", not_after=soon).issue(NAME))
    assert [issuer.title for issuer in chain.issuers] == ["CN=Short", "CN=Hospital Root"]
    assert chain.valid_until == soon.timestamp()


@pytest.mark.parametrize("key", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"])
def test_every_accepted_kind_of_key_holds(key: str) -> None:
    root = Authority.create("Root", key=key)
    assert judge(root.issue(NAME, key=key), anchors=(root.der,)).leaf.title == "CN=gw.hospital.test"


def test_an_anchor_may_be_an_intermediate() -> None:
    assert [issuer.der for issuer in judge(LEAF, anchors=(MIDDLE.der,)).issuers] == [MIDDLE.der]


def test_an_anchor_may_be_the_leaf_itself() -> None:
    assert judge(LEAF, anchors=(LEAF.der,)).issuers == ()


def test_what_stands_above_an_anchor_does_not_matter() -> None:
    old = Authority.create("Old", not_after=EXPIRED)
    middle = old.intermediate("Middle")
    issued = middle.issue(NAME)
    assert judge(issued, old.der, anchors=(middle.der,)).issuers[0].der == middle.der
    assert judge(issued, old.der, anchors=(issued.der,)).issuers == ()


def test_one_fitting_anchor_among_several_is_enough() -> None:
    other = Authority.create("Other")
    assert judge(LEAF, anchors=(other.der, ROOT.der, ROOT.der)).issuers[-1].der == ROOT.der


def test_intermediates_come_in_any_order_with_rubbish_between() -> None:
    deep = ROOT
    for level in range(8):
        deep = deep.intermediate(f"Level {level}")
    issued = deep.issue(NAME)
    bag = [*issued.chain, b"rubbish", b"", Authority.create("Noise").der]
    random.Random(5).shuffle(bag)
    assert len(verify_chain(decode(issued.der), read_bag(bag), (ROOT.der,), WALL).issuers) == 9


@pytest.mark.parametrize("eku", [(), ("serverAuth",), ("ipsecIKE",), ("ikeIntermediate",), ("any",)])
def test_a_purpose_that_speaks_of_ike_or_none_at_all_is_accepted(eku: tuple[str, ...]) -> None:
    judge(MIDDLE.issue(NAME, eku=eku))
    judge(MIDDLE.issue(NAME, eku=(*eku, "emailProtection")) if eku else MIDDLE.issue(NAME, key_usage=None, eku=()))


def test_a_client_may_be_for_client_authentication_a_gateway_not() -> None:
    client = MIDDLE.issue("laptop.hospital.test", eku=("clientAuth",))
    assert judge(client, role=Role.CLIENT).leaf.der == client.der
    assert "is not for a VPN gateway" in refused("usage", client)


# Chains that do not


def test_a_foreign_authority_is_not_trusted_even_under_the_same_name() -> None:
    for name in ("Foreign", "Hospital Root"):
        foreign = Authority.create(name)
        issued = foreign.intermediate("Hospital Issuing").issue(NAME)
        detail = refused("untrusted", issued, foreign.der)
        assert "does not lead to a trust anchor" in detail


def test_an_impostor_is_caught_by_the_signature() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    forged = Issued(hand_made(key, MIDDLE.certificate.subject).sign(key, hashes.SHA384()), key, MIDDLE.chain)
    assert "is not signed by the authority that it names" in refused("untrusted", forged)


def test_a_self_signed_leaf_is_trusted_only_as_an_anchor() -> None:
    own = self_signed(NAME)
    refused("untrusted", own)
    assert judge(own, anchors=(own.der,)).issuers == ()


def self_signed(name: str) -> Issued:
    """Make a leaf that vouches for itself."""
    key = ec.generate_private_key(ec.SECP384R1())
    return Issued(hand_made(key, common_name(name)).sign(key, hashes.SHA384()), key, ())


def hand_made(key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    """Begin a leaf that says little about itself."""
    builder = x509.CertificateBuilder().subject_name(common_name(NAME)).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(9).not_valid_before(FROM).not_valid_after(UNTIL)
    return builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)


def test_a_missing_intermediate_leaves_no_path() -> None:
    with pytest.raises(CertificateError, match="does not lead"):
        verify_chain(decode(LEAF.der), (), (ROOT.der,), WALL)


def test_expiry_is_told_apart_from_a_certificate_of_the_future() -> None:
    assert "'CN=gw.hospital.test' has expired" in refused("expired", MIDDLE.issue(NAME, not_after=EXPIRED))
    future = MIDDLE.issue(NAME, not_before=datetime(2030, 1, 1, tzinfo=UTC))
    assert "is not valid yet" in refused("not_yet_valid", future)


def test_validity_is_judged_at_the_instant_given_and_inclusive() -> None:
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    issued = MIDDLE.issue(NAME, not_before=start, not_after=end)
    for inside in (start, start + timedelta(seconds=1), end - timedelta(seconds=1)):
        judge(issued, wall=inside.timestamp())
    for outside, word in ((start - timedelta(seconds=1), "not valid yet"), (end + timedelta(seconds=1), "expired")):
        with pytest.raises(CertificateError, match=word):
            judge(issued, wall=outside.timestamp())


def test_an_expired_intermediate_or_anchor_spoils_the_chain() -> None:
    assert "issuing certificate 'CN=Old'" in refused("expired", ROOT.intermediate("Old", not_after=EXPIRED).issue(NAME))
    old_root = Authority.create("Old Root", not_after=EXPIRED)
    refused("expired", old_root.issue(NAME), anchors=(old_root.der,))
    old_middle = ROOT.intermediate("Old Middle", not_after=EXPIRED)
    refused("expired", old_middle.issue(NAME), anchors=(old_middle.der,))


def test_a_wrong_purpose_on_the_leaf_or_above_it_is_refused() -> None:
    for eku in (("clientAuth",), ("emailProtection",), ("1.2.3.4",)):
        refused("usage", MIDDLE.issue(NAME, eku=eku))


def test_even_a_leaf_that_is_an_anchor_must_be_for_a_gateway() -> None:
    mail = MIDDLE.issue(NAME, eku=("emailProtection",))
    refused("usage", mail, anchors=(mail.der,))


def test_an_authority_for_mail_may_not_make_a_gateway() -> None:
    mail = ROOT.issue("Mail CA", eku=("emailProtection",), is_ca=True, key_usage="key_cert_sign")
    authority = Authority(mail.certificate, mail.key, (mail.der,))
    assert "'CN=Mail CA' is not for a VPN gateway" in refused("usage", authority.issue(NAME))


@pytest.mark.parametrize("key_usage", ["key_encipherment", "key_agreement", "key_cert_sign", "content_commitment"])
def test_a_key_that_may_not_sign_is_refused(key_usage: str) -> None:
    assert "is not for digital signatures" in refused("usage", MIDDLE.issue(NAME, key_usage=key_usage))


def test_an_authority_is_no_gateway() -> None:
    assert "is a certificate authority's" in refused("usage", MIDDLE.issue(NAME, is_ca=True))
    assert "is a certificate authority's" in refused("usage", MIDDLE.as_leaf())
    assert "is a certificate authority's" in refused("usage", ROOT.as_leaf())


def test_a_leaf_is_no_authority() -> None:
    leaf = Authority(LEAF.certificate, LEAF.key, (LEAF.der, *LEAF.chain))
    assert "'CN=gw.hospital.test' is not a certificate authority's" in refused("usage", leaf.issue("evil.test"))
    refused("usage", leaf.issue("evil.test"), anchors=(LEAF.der,))


def test_path_lengths_are_held() -> None:
    last = ROOT.intermediate("Last", path_length=0)
    judge(last.issue(NAME))
    assert "deeper below" in refused("usage", last.intermediate("One more").issue(NAME))


def test_name_constraints_are_held() -> None:
    bound = ROOT.intermediate("Bound", permitted=["hospital.test"])
    judge(bound.issue(NAME))
    assert "may not certify" in refused("usage", bound.issue("gw.evil.test"))
    assert "may not certify" in refused("usage", bound.issue(NAME, "gw.evil.test"))


def test_an_unknown_critical_extension_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    builder = hand_made(key, ROOT.certificate.subject).add_extension(strange, critical=True)
    assert "critical extension" in refused("usage", Issued(builder.sign(ROOT.key, hashes.SHA384()), key, ()))


def test_without_a_usable_anchor_nothing_is_judged() -> None:
    for anchors, word in (((), "no trust anchor"), ((b"rubbish",), "cannot be used"), ((ROOT.der, b""), "cannot be")):
        with pytest.raises(ConfigError, match=word):
            judge(LEAF, anchors=anchors)
