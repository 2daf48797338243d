"""The sites of a policy: their routers, the way in, and what lies behind."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictBool, StrictInt, model_validator

from agent.posture.policy.rules import Section
from agent.posture.policy.values import (
    AddressValue,
    BothLanguages,
    Digest,
    Domain,
    File,
    Host,
    IdentityValue,
    Network,
    OneOrMore,
    ProtectedNetwork,
    Seconds,
    Text,
)


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("write an address such as https://policy.hospital.example/sekisho.yaml")
    _ = parts.port  # a ValueError of its own where it is no number up to 65535
    return text


WebAddress = Annotated[Text, AfterValidator(_web_address)]


class Title(Section):
    """A name for people, in both languages."""

    en: Text
    ja: Text


class Gateway(Section):
    """One VPN router: where it is and how it proves that it is the right one."""

    address: Annotated[Host, Field(description="name or IP address on the Internet")]
    identity: Annotated[IdentityValue, Field(description="the name that its certificate must carry")]
    anchors: Annotated[
        tuple[File, ...],
        Field(min_length=1, max_length=16, description="authorities that may have issued it"),
        OneOrMore,
    ]
    send_identity: Annotated[StrictBool, Field(description="tell the router which identity is expected")] = True
    allow_common_name: Annotated[StrictBool, Field(description="accept a certificate with a common name only")] = False


class Dns(Section):
    """Names that are looked up inside the hospital."""

    names: Annotated[tuple[Domain, ...], Field(min_length=1, max_length=32, description="domains"), OneOrMore]
    servers: Annotated[
        tuple[AddressValue, ...], Field(max_length=3, description="default: those that the router names"), OneOrMore
    ] = ()


class Timers(Section):
    """When keys are renewed and how soon a silent router is noticed."""

    rekey_child: Annotated[Seconds, Field(ge=60, le=86_400, description="new packet keys")] = 3600.0
    rekey_ike: Annotated[Seconds, Field(ge=300, le=86_400, description="new keys altogether")] = 14_400.0
    liveness: Annotated[Seconds, Field(ge=2, le=600, description="ask a router that has been silent")] = 10.0


class Inside(Section):
    """What proves that this computer stands on the hospital's own network, where no tunnel is needed."""

    beacon: Annotated[Host | None, Field(description="a TLS server that only the hospital's own network reaches")] = (
        None
    )
    port: Annotated[StrictInt, Field(ge=1, le=65_535, description="its port")] = 443
    certificate: Annotated[Digest | None, Field(description="SHA-256 of its certificate (DER)")] = None
    managed_wifi: Annotated[
        tuple[Domain, ...],
        Field(max_length=16, description="names of 802.1X servers whose Wi-Fi is the hospital's own"),
        OneOrMore,
    ] = ()

    @model_validator(mode="after")
    def _proves(self) -> "Inside":
        if (self.beacon is None) != (self.certificate is None):
            raise ValueError("a beacon needs both 'beacon' and 'certificate'")
        if self.beacon is None and not self.managed_wifi:
            raise ValueError("name a 'beacon' with its 'certificate', or the servers of 'managed_wifi'")
        return self


class Service(Section):
    """What a refused computer may still reach, and only to get well again: policy, updates, time, the collector."""

    networks: Annotated[
        tuple[ProtectedNetwork, ...],
        Field(min_length=1, max_length=64, description="within the site's own 'networks'"),
        OneOrMore,
    ]
    minutes: Annotated[StrictInt, Field(ge=1, le=240, description="how long after a refusal")] = 15
    policy_url: Annotated[WebAddress | None, Field(description="where a newer signed policy lies")] = None


class Site(Section):
    """A hospital or data centre: its routers, this computer's certificate, and what lies behind."""

    title: Annotated[Title | None, BothLanguages, Field(description="name for people; default: the key")] = None
    gateways: Annotated[tuple[Gateway, ...], Field(min_length=1, max_length=8, description="tried in this order")]
    certificate: Annotated[File, Field(description="this computer's certificate (PEM), with its issuers after it")]
    key: Annotated[File, Field(description="its private key (PEM)")]
    local_identity: Annotated[
        IdentityValue | None, Field(description="default: the name in this computer's certificate")
    ] = None
    networks: Annotated[
        tuple[ProtectedNetwork, ...],
        Field(min_length=1, max_length=64, description="reached by tunnel only"),
        OneOrMore,
    ]
    addresses: Annotated[
        tuple[Network, ...],
        Field(max_length=16, description="addresses that the router may give; default: any private one"),
        OneOrMore,
    ] = ()
    dns: Dns | None = None
    suites: Annotated[
        Literal["default", "compatible"], Field(description="'compatible' for routers without AES-GCM")
    ] = "default"
    pfs: Annotated[
        Literal["required", "off"], Field(description="'off' for routers that renew packet keys without a new exchange")
    ] = "required"
    timers: Timers = Timers()
    inside: Annotated[Inside | None, Field(description="where no tunnel is needed")] = None
    service: Annotated[Service | None, Field(description="what a refused computer may reach")] = None
    comes_back: Annotated[
        Seconds, Field(le=86_400, description="reopen by itself when what cut it is cured so soon; 0: never")
    ] = 0.0

    @model_validator(mode="after")
    def _serves_its_own(self) -> "Site":
        for network in self.service.networks if self.service else ():
            if not is_within(network, self.networks):
                raise ValueError(f"the service network {network} lies outside the site's 'networks'")
        return self

    @model_validator(mode="after")
    def _asked_inside(self) -> "Site":
        for server in self.dns.servers if self.dns else ():
            if not any(server in network for network in self.networks):
                raise ValueError(f"the DNS server {server} lies outside 'networks' and would be asked in clear")
        return self


def is_within(network: IPv4Network | IPv6Network, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether one of the networks holds all of this one."""
    return any(_holds(wide, network) for wide in networks)


def narrowed(site: Site, networks: Sequence[IPv4Network | IPv6Network]) -> Site:
    """Give the same site with nothing behind it but these networks, which lie within its own.

    Names are only looked up at servers that are still reached through the tunnel.
    """
    if site.dns is None or not site.dns.servers:
        return site.model_copy(update={"networks": tuple(networks)})
    servers = tuple(one for one in site.dns.servers if any(one in network for network in networks))
    dns = site.dns.model_copy(update={"servers": servers}) if servers else None
    return site.model_copy(update={"networks": tuple(networks), "dns": dns})


def _holds(wide: IPv4Network | IPv6Network, narrow: IPv4Network | IPv6Network) -> bool:
    return wide.version == narrow.version and wide.supernet_of(narrow)  # type: ignore[arg-type]  # of one version by now
