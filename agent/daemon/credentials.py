"""A site of the policy, its files read, as what an IKE session is told; keys stay inside their holder.

It decides nothing about the gateway: anchors and identity go to the session as the policy names them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from agent import events
from agent.daemon.files import read_bounded, read_private, read_trusted, why_unreadable
from agent.posture.policy import Gateway, Site
from agent.posture.policy.values import Identity as PolicyIdentity
from agent.problems import Trouble
from agent.tunnel.driver import SignerError
from ike.config import Config, Timers
from ike.crypto import FileKey, SignatureScheme, distinguished_name, load_private_key, read_pem
from ike.crypto.certificates import Certificate, decode
from ike.errors import IkeError
from ike.identity import Identity
from ike.proposal import ESP_DEFAULT, IKE_COMPATIBLE, IKE_DEFAULT
from ike.registry import IdType
from ike.selectors import Selector


@dataclass(frozen=True, slots=True)
class FileSigner:
    """Signs with a key that was read from a file."""

    key: FileKey

    async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        """Sign at once; a file key asks nobody."""
        try:
            return self.key.sign(scheme, data)
        except IkeError as error:
            raise SignerError(error.detail) from error


@dataclass(frozen=True, slots=True)
class Credentials:
    """This computer's certificate chain (DER, leaf first), who it says we are, and the holder of its key."""

    certificates: tuple[bytes, ...]
    identity: Identity
    signer: FileSigner


def read_credentials(site: Site) -> Credentials:
    """Read a site's certificate and key; Trouble("key.unreadable") says why they cannot be used."""
    try:
        certificates = read_pem(read_bounded(Path(site.certificate), LARGEST_FILE))
        key = load_private_key(read_private(Path(site.key), LARGEST_FILE))
        leaf = decode(certificates[0])
        identity = own_identity(leaf) if site.local_identity is None else translate(site.local_identity)
    except (OSError, ValueError) as error:
        raise Trouble("key.unreadable", why_unreadable(error)) from error
    except IkeError as error:
        raise Trouble("key.unreadable", error.detail) from error
    if not key.matches(leaf.key):
        raise Trouble("key.unreadable", f"{site.key} is not the key of {site.certificate}")
    return Credentials(certificates, identity, FileSigner(key))


def config_for(site: Site, gateway: Gateway, address: str, credentials: Credentials) -> Config:
    """Tell an IKE session all about one gateway at `address`; Trouble says what the policy lacks."""
    timers = Timers(liveness=site.timers.liveness, child_rekey=site.timers.rekey_child, ike_rekey=site.timers.rekey_ike)
    try:
        return Config(
            local_identity=credentials.identity,
            anchors=_anchors(gateway),
            certificates=credentials.certificates,
            schemes=credentials.signer.key.schemes(),
            ike_proposals=IKE_COMPATIBLE if site.suites == "compatible" else IKE_DEFAULT,
            esp_proposals=ESP_DEFAULT,
            allow_common_name=gateway.allow_common_name,
            timers=timers,
            gateway=address,
            remote_identity=translate(gateway.identity),
            remote_selectors=tuple(map(Selector.from_network, protected(site))),
            local_selectors=(Selector.from_network(ANY_ADDRESS),),
            rekey_pfs=site.pfs == "required",
            send_remote_identity=gateway.send_identity,
            address_bounds=tuple(bound for bound in site.addresses if isinstance(bound, IPv4Network)),
        )
    except IkeError as error:
        raise Trouble("policy.invalid", error.detail) from error


def protected(site: Site) -> tuple[IPv4Network, ...]:
    """Give the site's networks; IPv6 is not carried yet, and what is not carried is refused, never left out."""
    networks = tuple(network for network in site.networks if isinstance(network, IPv4Network))
    foreign = next((network for network in site.networks if isinstance(network, IPv6Network)), None)
    if foreign is not None:
        raise Trouble("policy.invalid", f"the network {foreign} is IPv6, which this version does not carry")
    return networks


def own_identity(leaf: Certificate) -> Identity:
    """Name ourselves as the certificate does: its first alternative name, else its subject."""
    return leaf.names[0] if leaf.names else leaf.subject


def translate(identity: PolicyIdentity) -> Identity:
    """Turn an identity as the policy writes it into one as IKE sends it (RFC 7296 §3.5)."""
    match identity.kind:
        case "fqdn":
            return Identity.fqdn(identity.value)
        case "email":
            return Identity.email(identity.value)
        case "ip":
            return Identity.address(identity.value)
        case "dn":
            return distinguished_name(identity.value)


def told(identity: Identity) -> str:
    """Write an identity as events and statuses tell it, with its kind in front."""
    return events.identity(KINDS.get(identity.kind, "other"), identity.describe())


def _anchors(gateway: Gateway) -> tuple[bytes, ...]:
    try:
        files = [read_pem(read_trusted(Path(anchor), LARGEST_FILE)) for anchor in gateway.anchors]
    except (OSError, ValueError) as error:
        raise Trouble("anchors.unreadable", why_unreadable(error)) from error
    except IkeError as error:
        raise Trouble("anchors.unreadable", error.detail) from error
    return tuple(anchor for file in files for anchor in file)


KINDS: Mapping[int, str] = {
    IdType.FQDN: "fqdn",
    IdType.RFC822_ADDR: "email",
    IdType.IPV4_ADDR: "ip",
    IdType.IPV6_ADDR: "ip",
    IdType.DER_ASN1_DN: "dn",
}
ANY_ADDRESS = IPv4Network("0.0.0.0/0")

# Our choices, in bytes.
LARGEST_FILE = 256 * 1024
