"""AUTH: who is believed, in which order the proof is judged, and what a liar gets to hear."""

import hmac
import time
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike import auth
from ike.auth import Claim, Proof, Trust
from ike.crypto import FileKey, Role, SignatureScheme, distinguished_name, load_private_key, prf
from ike.crypto.certificates import decode
from ike.errors import ConfigError, PeerError
from ike.identity import Identity
from ike.payloads import Authentication, IdResponder
from ike.payloads import Certificate as CertificatePayload
from ike.proposal import Transform
from ike.registry import AuthMethod, CertEncoding, HashAlgorithm, IdType, NotifyType, Prf, TransformType
from ike.wire import Reader
from tests.certificates import UNTIL, WALL, Authority, Issued

NAME = "gw.hospital.test"
GATEWAY = Identity.fqdn(NAME)
ROOT = Authority.create("Hospital Root")
MIDDLE = ROOT.intermediate("Hospital Issuing")
LEAVES = {kind: MIDDLE.issue(NAME, key=kind) for kind in ("ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519")}
LEAVES["rsa-2048"] = MIDDLE.issue(NAME, key="rsa-2048")
LEAF = LEAVES["ecdsa-p384"]
TRUST = Trust((ROOT.der,), GATEWAY)
OCTETS = b"the octets that both ends computed"
ALL_HASHES = (HashAlgorithm.SHA2_256, HashAlgorithm.SHA2_384, HashAlgorithm.SHA2_512, HashAlgorithm.IDENTITY)


def key_of(issued: Issued) -> FileKey:
    """Open the leaf's key."""
    return load_private_key(issued.key_pem)


def proof_by(issued: Issued, scheme: SignatureScheme | None = None, octets: bytes = OCTETS) -> Authentication:
    """Sign as the leaf's honest owner would (RFC 7427)."""
    key = key_of(issued)
    chosen = scheme or key.schemes()[0]
    return auth.authentication(chosen, key.sign(chosen, octets), legacy=False)


def claim_by(issued: Issued, identity: Identity = GATEWAY, proof: Authentication | None = None) -> Claim:
    """Show the leaf, its chain and a good signature."""
    return Claim(identity, (issued.der, *issued.chain), proof or proof_by(issued), OCTETS)


def refused(claim: Claim, code: str, trust: Trust = TRUST) -> str:
    """Expect the claim to be refused with a code; give back the sentence."""
    with pytest.raises(PeerError) as caught:
        auth.verify_peer(claim, trust, WALL)
    assert caught.value.code == code
    assert caught.value.notify == NotifyType.AUTHENTICATION_FAILED
    return caught.value.detail


# What is signed


def test_signed_octets_are_message_nonce_and_prf_of_the_identity() -> None:
    function = prf(Transform(TransformType.PRF, Prf.HMAC_SHA2_384))
    body = IdResponder.of(GATEWAY).encode()
    # ResponderSignedOctets = RealMessage2 | NonceIData | prf(SK_pr, RestOfRespIDPayload)   (RFC 7296 §2.15)
    expected = b"message" + b"nonce" + hmac.new(b"sk_p", b"\x02\0\0\0" + NAME.encode(), "sha384").digest()
    assert auth.signed_octets(b"message", b"nonce", function, b"sk_p", body) == expected


def test_reserved_octets_of_the_identity_are_covered_as_they_came() -> None:
    function = prf(Transform(TransformType.PRF, Prf.HMAC_SHA2_256))
    body = b"\x02\x01\x02\x03" + NAME.encode()
    again = IdResponder.decode(Reader(body)).encode()
    assert auth.signed_octets(b"m", b"n", function, b"k", again) == auth.signed_octets(b"m", b"n", function, b"k", body)


# Who is believed


@pytest.mark.parametrize(
    ("kind", "scheme"), [(kind, scheme) for kind, leaf in LEAVES.items() for scheme in key_of(leaf).schemes()]
)
def test_an_honest_gateway_is_believed(kind: str, scheme: SignatureScheme) -> None:
    leaf = LEAVES[kind]
    proof = auth.verify_peer(claim_by(leaf, proof=proof_by(leaf, scheme)), TRUST, WALL)
    assert proof == Proof(GATEWAY, decode(leaf.der).sha256, scheme, UNTIL.timestamp())


@pytest.mark.parametrize(
    ("kind", "method", "size"),
    [
        ("ecdsa-p256", AuthMethod.ECDSA_SHA256_P256, 64),
        ("ecdsa-p384", AuthMethod.ECDSA_SHA384_P384, 96),
        ("ecdsa-p521", AuthMethod.ECDSA_SHA512_P521, 132),
    ],
)
def test_an_old_gateway_is_believed_by_rfc_4754(kind: str, method: AuthMethod, size: int) -> None:
    leaf, key = LEAVES[kind], key_of(LEAVES[kind])
    scheme = auth.choose_scheme(key.schemes(), ())
    proof = auth.authentication(scheme, key.sign(scheme, OCTETS), legacy=True)
    assert (proof.method, len(proof.data)) == (method, size)
    assert auth.verify_peer(claim_by(leaf, proof=proof), TRUST, WALL).scheme is scheme
    for other in (AuthMethod.ECDSA_SHA256_P256, AuthMethod.ECDSA_SHA384_P384, AuthMethod.ECDSA_SHA512_P521):
        if other != method:
            refused(claim_by(leaf, proof=Authentication(other, proof.data)), "gateway.signature")


def test_a_method_of_rfc_4754_wants_its_own_curve() -> None:
    leaf, key = LEAVES["ecdsa-p256"], key_of(LEAVES["ecdsa-p256"])
    signature = key.sign(SignatureScheme.ECDSA_SHA384, OCTETS)
    proof = auth.authentication(SignatureScheme.ECDSA_SHA384, signature, legacy=True)
    assert proof.method == AuthMethod.ECDSA_SHA384_P384
    assert "ECDSA_SHA384_P384 is not accepted" in refused(claim_by(leaf, proof=proof), "gateway.signature")


def test_the_authentication_payload_is_length_identifier_signature() -> None:
    proof = auth.authentication(SignatureScheme.ECDSA_SHA384, b"signature", legacy=False)
    assert proof == Authentication(14, bytes.fromhex("0c300a06082a8648ce3d040303") + b"signature")


def test_a_client_may_be_anyone_under_the_anchors_who_shows_his_own_name() -> None:
    client = MIDDLE.issue("laptop.hospital.test", eku=("clientAuth",))
    identity = Identity.fqdn("laptop.hospital.test")
    trust = Trust((ROOT.der,), None, role=Role.CLIENT)
    assert auth.verify_peer(claim_by(client, identity), trust, WALL).identity == identity
    refused(claim_by(client, Identity.fqdn("other.hospital.test")), "gateway.identity", trust)


def test_trust_in_any_gateway_at_all_cannot_be_said() -> None:
    with pytest.raises(ConfigError, match="reference identity"):
        Trust((ROOT.der,), None)


# The identity matrix: IDr x SAN x policy

NAMES = {"right": NAME, "other": "gw.evil.test", "wild": "*.hospital.test", "near": "xgw.hospital.test"}
BY_SAN = {label: MIDDLE.issue(name, subject=NAME) for label, name in NAMES.items()}


@pytest.mark.parametrize(("said", "carried", "wanted"), list(product(NAMES, repeat=3)))
def test_only_one_and_the_same_whole_name_everywhere_is_believed(said: str, carried: str, wanted: str) -> None:
    claim = claim_by(BY_SAN[carried], Identity.fqdn(NAMES[said]))
    trust = Trust((ROOT.der,), Identity.fqdn(NAMES[wanted]), allow_common_name=True)
    if said == carried == wanted != "wild":
        assert auth.verify_peer(claim, trust, WALL).identity == Identity.fqdn(NAMES[said])
    else:
        refused(claim, "gateway.identity", trust)


def test_a_valid_certificate_of_another_name_is_a_rogue() -> None:
    rogue = MIDDLE.issue("printer.hospital.test")
    assert "is for printer.hospital.test" in refused(claim_by(rogue), "gateway.identity")
    said = refused(claim_by(rogue, Identity.fqdn("printer.hospital.test")), "gateway.identity")
    assert said == "the gateway says it is 'printer.hospital.test', not 'gw.hospital.test'"


def test_the_kind_of_identity_counts_as_much_as_its_octets() -> None:
    refused(claim_by(LEAF, Identity(IdType.KEY_ID, NAME.encode())), "gateway.identity")
    refused(claim_by(LEAF, distinguished_name(f"CN={NAME}")), "gateway.identity")
    dn = distinguished_name(f"CN={NAME}")
    assert auth.verify_peer(claim_by(LEAF, dn), Trust((ROOT.der,), dn), WALL).identity == dn


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 5, 9, 10, 11, 12, 13, 201, 255])
@pytest.mark.parametrize("data", [b"", b"\0", b"\x30\x00", bytes(4), bytes(16), b"*", b"\x1b[31m" * 13000])
def test_strange_identities_are_refused_in_a_printable_line(kind: int, data: bytes) -> None:
    assert refused(claim_by(LEAF, Identity(kind, data)), "gateway.identity").isprintable()


# The order of judgement


BAD_PROOF = Authentication(AuthMethod.DIGITAL_SIGNATURE, b"")
STRANGER = Identity.fqdn("stranger.test")


def test_the_first_thing_wrong_is_the_answer() -> None:
    foreign = Authority.create("Foreign").issue("x.test", eku=("clientAuth",))
    client = MIDDLE.issue("x.test", eku=("clientAuth",))
    refused(Claim(STRANGER, (), BAD_PROOF, b""), "gateway.certificate.missing")
    refused(Claim(STRANGER, (foreign.der,), BAD_PROOF, b""), "gateway.certificate.untrusted")
    refused(Claim(STRANGER, (client.der, *client.chain), BAD_PROOF, b""), "gateway.certificate.usage")
    refused(claim_by(LEAF, STRANGER, BAD_PROOF), "gateway.identity")
    refused(claim_by(LEAF, GATEWAY, BAD_PROOF), "gateway.signature")


def test_expired_and_not_yet_valid_have_their_own_codes() -> None:
    past = MIDDLE.issue(NAME, not_after=datetime(2026, 1, 1, tzinfo=UTC))
    future = MIDDLE.issue(NAME, not_before=datetime(2030, 1, 1, tzinfo=UTC))
    refused(claim_by(past), "gateway.certificate.expired")
    refused(claim_by(future), "gateway.certificate.not_yet_valid")


# Signatures of liars


def test_another_keys_signature_is_refused() -> None:
    other = MIDDLE.issue(NAME)
    refused(claim_by(LEAF, proof=proof_by(other)), "gateway.signature")


def test_a_signature_over_other_octets_is_refused() -> None:
    refused(claim_by(LEAF, proof=proof_by(LEAF, octets=OCTETS + b"x")), "gateway.signature")
    good = proof_by(LEAF)
    refused(Claim(GATEWAY, (LEAF.der, *LEAF.chain), good, OCTETS[:-1]), "gateway.signature")


@pytest.mark.parametrize("kind", sorted(LEAVES))
@pytest.mark.parametrize("method", range(20))
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff", bytes(64), bytes(96), bytes(132), bytes(256), bytes(65000)])
def test_empty_zero_and_strange_auth_payloads_are_refused(kind: str, method: int, data: bytes) -> None:
    refused(claim_by(LEAVES[kind], proof=Authentication(method, data)), "gateway.signature")


@pytest.mark.parametrize("kind", sorted(LEAVES))
@pytest.mark.parametrize("scheme", SignatureScheme)
def test_a_named_scheme_with_an_empty_signature_is_refused(kind: str, scheme: SignatureScheme) -> None:
    proof = auth.authentication(scheme, b"", legacy=False)
    refused(claim_by(LEAVES[kind], proof=proof), "gateway.signature")


def test_rsa_with_sha1_of_old_routers_is_refused_by_its_name() -> None:
    leaf = LEAVES["rsa-2048"]
    sentence = refused(claim_by(leaf, proof=Authentication(AuthMethod.RSA_SIGNATURE, bytes(256))), "gateway.signature")
    assert "RSA_SIGNATURE" in sentence


@given(method=st.sampled_from([1, 2, 9, 10, 11, 13, 14]), data=st.binary(max_size=200))
def test_a_garbage_auth_payload_is_refused_and_nothing_else(method: int, data: bytes) -> None:
    refused(claim_by(LEAF, proof=Authentication(method, data)), "gateway.signature")


@given(bag=st.lists(st.binary(max_size=80), max_size=18))
def test_garbage_certificates_are_refused_and_nothing_else(bag: list[bytes]) -> None:
    with pytest.raises(PeerError) as caught:
        auth.verify_peer(Claim(GATEWAY, tuple(bag), BAD_PROOF, b""), TRUST, WALL)
    assert caught.value.code in ("gateway.certificate.missing", "gateway.certificate.untrusted")


# How we sign


@pytest.mark.parametrize(
    ("kind", "accepted", "scheme"),
    [
        ("ecdsa-p384", ALL_HASHES, SignatureScheme.ECDSA_SHA384),
        ("ecdsa-p384", (HashAlgorithm.SHA2_512, HashAlgorithm.SHA2_256), SignatureScheme.ECDSA_SHA256),
        ("ecdsa-p256", (), SignatureScheme.ECDSA_SHA256),
        ("rsa-2048", ALL_HASHES, SignatureScheme.RSA_PSS_SHA256),
        ("rsa-2048", (HashAlgorithm.SHA2_512,), SignatureScheme.RSA_PSS_SHA512),
        ("ed25519", ALL_HASHES, SignatureScheme.ED25519),
    ],
)
def test_our_scheme_is_the_best_that_the_peer_accepts(
    kind: str, accepted: tuple[int, ...], scheme: SignatureScheme
) -> None:
    assert auth.choose_scheme(key_of(LEAVES[kind]).schemes(), accepted) is scheme


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        ("rsa-2048", ()),
        ("ed25519", ()),
        ("ed25519", (HashAlgorithm.SHA2_256,)),
        ("ecdsa-p256", (HashAlgorithm.SHA1,)),
        ("ecdsa-p256", (HashAlgorithm.IDENTITY, 999)),
    ],
)
def test_without_a_common_hash_we_do_not_sign(kind: str, accepted: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="no signature that our key can make") as caught:
        auth.choose_scheme(key_of(LEAVES[kind]).schemes(), accepted)
    assert caught.value.code == "auth.rejected"


# Certificates on the wire


def test_our_anchors_are_named_by_the_hashes_of_their_keys() -> None:
    other = Authority.create("Other")
    request = auth.certificate_request((ROOT.der, other.der))
    assert request.encoding == CertEncoding.X509_SIGNATURE
    assert request.authorities == decode(ROOT.der).key_hash + decode(other.der).key_hash
    for bad in ((), (b"rubbish",)):
        with pytest.raises(ConfigError, match="trust anchor"):
            auth.certificate_request(bad)


def test_only_x509_certificates_are_collected_in_their_order() -> None:
    ours = auth.certificate_payloads((LEAF.der, MIDDLE.der))
    url = CertificatePayload(CertEncoding.HASH_AND_URL, b"http://evil.test/")
    assert auth.certificates_in((url, ours[0], BAD_PROOF, ours[1])) == (LEAF.der, MIDDLE.der)


def test_the_largest_certificate_that_passes_the_cap_costs_little() -> None:
    large = MIDDLE.issue(NAME, *(f"h{number}.x" for number in range(7000)))
    claim = claim_by(large, proof=BAD_PROOF)
    assert 60_000 < sum(map(len, claim.certificates)) < 65_536
    spent = []
    for _ in range(3):
        start = time.process_time()
        refused(claim, "gateway.signature")
        spent.append(time.process_time() - start)
    assert min(spent) < 0.2  # 25 ms when written, 50 ms allowed; the rest is for slow machines


def test_nothing_of_a_claim_shows_but_the_name() -> None:
    shown = repr(claim_by(LEAF)) + repr(TRUST)
    assert "octets that" not in shown
    assert len(shown) < 400
