"""AUTH both ways: what is signed, with what, and whether the peer has proved to be whom the policy names.

It never trusts an order of its own making: certificate, chain, use, identity and signature are judged in this
order, and the first that fails is the answer. It never signs: that is an effect.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ike.crypto import names
from ike.crypto.certificates import Certificate
from ike.crypto.chain import Role, read_anchors, read_bag, verify_chain
from ike.crypto.prf import Prf
from ike.crypto.scheme import Family, SignatureScheme
from ike.crypto.signature import curve_of, raw_from_der, raw_to_der, verify
from ike.errors import ConfigError, PeerError
from ike.identity import Identity
from ike.payloads import Authentication, CertificateRequest
from ike.payloads import Certificate as CertificatePayload
from ike.registry import AuthMethod, CertEncoding, NotifyType, name_of


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the policy wants at the other end; only a client may be anyone whom the anchors vouch for."""

    anchors: tuple[bytes, ...] = field(repr=False)
    identity: Identity | None
    allow_common_name: bool = False
    role: Role = Role.GATEWAY

    def __post_init__(self) -> None:
        """Refuse to trust any gateway at all."""
        if self.identity is None and self.role is Role.GATEWAY:
            raise ConfigError("a gateway needs a reference identity")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the peer says and shows; `octets` are those its signature must cover."""

    identity: Identity
    certificates: tuple[bytes, ...] = field(repr=False)
    proof: Authentication = field(repr=False)
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """The peer is who it says; `valid_until` is when the first certificate of its chain expires."""

    identity: Identity
    leaf_sha256: str
    scheme: SignatureScheme
    valid_until: float


def signed_octets(message: bytes, peer_nonce: bytes, prf: Prf, sk_p: bytes, id_body: bytes) -> bytes:
    """Join what an end signs: RealMessage | NonceData of the other | prf(SK_p, RestOfIDPayload) (RFC 7296 §2.15)."""
    return message + peer_nonce + prf(sk_p, id_body)


def verify_peer(claim: Claim, trust: Trust, wall: float) -> Proof:
    """Believe the peer, or say in PeerError what is wrong first."""
    leaf, *others = read_bag(claim.certificates)
    chain = verify_chain(leaf, others, trust.anchors, wall, trust.role)
    _check_identity(leaf, claim.identity, trust)
    scheme = _check_signature(leaf, claim)
    return Proof(claim.identity, leaf.sha256, scheme, chain.valid_until)


def choose_scheme(own: Iterable[SignatureScheme], accepted: Collection[int]) -> SignatureScheme:
    """Choose how we sign: our best within the peer's SIGNATURE_HASH_ALGORITHMS.

    A peer that sent none knows ECDSA by RFC 4754 only; RSA would mean SHA-1, and that we never sign.
    """
    if accepted:
        fitting = [scheme for scheme in own if scheme.hash in accepted]
    else:
        fitting = [scheme for scheme in own if scheme.family is Family.ECDSA]
    if not fitting:
        raise ConfigError("the gateway accepts no signature that our key can make", code="auth.rejected")
    return fitting[0]


def authentication(scheme: SignatureScheme, signature: bytes, *, legacy: bool) -> Authentication:
    """Write the AUTH payload: RFC 7427 §3, or RFC 4754 for a peer that announced no hashes (`legacy`)."""
    if legacy:
        method, coordinate = LEGACY_METHODS[scheme]
        return Authentication(method, raw_from_der(signature, coordinate))
    identifier = scheme.identifier
    return Authentication(AuthMethod.DIGITAL_SIGNATURE, bytes([len(identifier)]) + identifier + signature)


def certificate_request(anchors: Sequence[bytes]) -> CertificateRequest:
    """Ask for a certificate below our anchors: SHA-1 of each one's public key (RFC 7296 §3.7)."""
    hashes = b"".join(anchor.key_hash for anchor in read_anchors(anchors))
    return CertificateRequest(CertEncoding.X509_SIGNATURE, hashes)


def certificate_payloads(certificates: Iterable[bytes]) -> tuple[CertificatePayload, ...]:
    """Write our certificates, leaf first (RFC 7296 §3.6)."""
    return tuple(CertificatePayload(CertEncoding.X509_SIGNATURE, der) for der in certificates)


def certificates_in(payloads: Iterable[object]) -> tuple[bytes, ...]:
    """Collect the X.509 certificates among the payloads of a message; other encodings are passed over."""
    shown = (payload for payload in payloads if isinstance(payload, CertificatePayload))
    return tuple(payload.data for payload in shown if payload.encoding == CertEncoding.X509_SIGNATURE)


def _check_identity(leaf: Certificate, claimed: Identity, trust: Trust) -> None:
    if trust.identity is not None and not names.same_identity(claimed, trust.identity):
        raise PeerError(
            f"the gateway says it is {claimed.describe()!r}, not {trust.identity.describe()!r}",
            code="gateway.identity",
            notify=NotifyType.AUTHENTICATION_FAILED,
        )
    names.match_identity(leaf, claimed, trust.allow_common_name)


def _check_signature(leaf: Certificate, claim: Claim) -> SignatureScheme:
    scheme, signature = _read(leaf, claim.proof)
    verify(leaf.key, scheme, claim.octets, signature)
    return scheme


def _read(leaf: Certificate, proof: Authentication) -> tuple[SignatureScheme, bytes]:
    """Take an AUTH payload apart: by RFC 7427 §3, or by RFC 4754 §3, where the curve fixes the method."""
    if proof.method == AuthMethod.DIGITAL_SIGNATURE and proof.data:
        end = 1 + proof.data[0]
        return SignatureScheme.of_identifier(proof.data[1:end]), proof.data[end:]
    for scheme, (method, coordinate) in LEGACY_METHODS.items():
        if proof.method == method and curve_of(leaf.key) == scheme:
            return scheme, raw_to_der(proof.data, coordinate)
    kind = name_of(AuthMethod, proof.method)
    raise PeerError(
        f"authentication by {kind} is not accepted with this certificate",
        code="gateway.signature",
        notify=NotifyType.AUTHENTICATION_FAILED,
    )


# Fixed by RFC 4754 §3: the method, and the octets of r and of s
LEGACY_METHODS = {
    SignatureScheme.ECDSA_SHA256: (AuthMethod.ECDSA_SHA256_P256, 32),
    SignatureScheme.ECDSA_SHA384: (AuthMethod.ECDSA_SHA384_P384, 48),
    SignatureScheme.ECDSA_SHA512: (AuthMethod.ECDSA_SHA512_P521, 66),
}
