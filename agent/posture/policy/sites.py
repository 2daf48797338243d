"""The sites of a policy: their routers, the way in, and what lies behind."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, model_validator

from agent.posture.policy.rules import Section
from agent.posture.policy.values import (
    AddressValue,
    BothLanguages,
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
        OneOrMore,
        Field(min_length=1, max_length=16, description="authorities that may have issued it"),
    ]
    send_identity: Annotated[StrictBool, Field(description="tell the router which identity is expected")] = True
    allow_common_name: Annotated[StrictBool, Field(description="accept a certificate with a common name only")] = False


class Dns(Section):
    """Names that are looked up inside the hospital."""

    names: Annotated[tuple[Domain, ...], OneOrMore, Field(min_length=1, max_length=32, description="domains")]
    servers: Annotated[
        tuple[AddressValue, ...], OneOrMore, Field(max_length=3, description="default: those that the router names")
    ] = ()


class Timers(Section):
    """When keys are renewed and how soon a silent router is noticed."""

    rekey_child: Annotated[Seconds, Field(ge=60, le=86_400, description="new packet keys")] = 3600.0
    rekey_ike: Annotated[Seconds, Field(ge=300, le=86_400, description="new keys altogether")] = 14_400.0
    liveness: Annotated[Seconds, Field(ge=2, le=600, description="ask a router that has been silent")] = 10.0


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
        OneOrMore,
        Field(min_length=1, max_length=64, description="reached by tunnel only"),
    ]
    addresses: Annotated[
        tuple[Network, ...],
        OneOrMore,
        Field(max_length=16, description="addresses that the router may give; default: any private one"),
    ] = ()
    dns: Dns | None = None
    suites: Annotated[
        Literal["default", "compatible"], Field(description="'compatible' for routers without AES-GCM")
    ] = "default"
    pfs: Annotated[
        Literal["required", "off"], Field(description="'off' for routers that renew packet keys without a new exchange")
    ] = "required"
    timers: Timers = Timers()

    @model_validator(mode="after")
    def _asked_inside(self) -> "Site":
        for server in self.dns.servers if self.dns else ():
            if not any(server in network for network in self.networks):
                raise ValueError(f"the DNS server {server} lies outside 'networks' and would be asked in clear")
        return self
