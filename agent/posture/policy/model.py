"""The sections of a policy and what each key may hold.

Data only: it reads no file, resolves no name and opens no certificate. Whatever is written wrong
is told by `load`, which turns it into sentences.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from agent.events import Response
from agent.posture.checks.wifi import Strength
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
    PackageName,
    Packages,
    Pattern,
    ProtectedNetwork,
    Seconds,
    SiteName,
    Ssid,
    SystemPattern,
    Text,
    Users,
    UsersValue,
)
from agent.posture.verdict import Cut, Rule
from agent.words import Language

CheckId = Literal["apps.unapproved", "apps.forbidden", "wifi.trust"]


class Section(BaseModel):
    """One group of keys: fixed once read, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Title(Section):
    """A name for people, in both languages."""

    en: Text
    ja: Text


class HelpDesk(Section):
    """Whom a person calls; every remedy that needs somebody names it."""

    en: Text
    ja: Text
    phone: Text


class Control(Section):
    """Who may connect and disconnect. The system administrator (root) always may."""

    users: Annotated[UsersValue, Field(description="'people', or a list of user names")] = Users(everyone=False)


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


class CheckRule(Section):
    """What is done about one check; what is not written keeps its default."""

    fail: Annotated[Response | None, Field(description="refuse, warn or off, when it fails")] = None
    unknown: Annotated[Response | None, Field(description="the same, when it could not be told")] = None
    cut: Annotated[Cut | None, Field(description="when an open tunnel ends: now, countdown or session-end")] = None
    countdown: Annotated[Seconds | None, Field(description="how long the countdown is")] = None
    max_age: Annotated[Seconds | None, Field(ge=5, description="the oldest look that counts")] = None


class ApprovedFile(Section):
    """A program that no package owns: its place and its content."""

    path: Pattern
    sha256: Annotated[tuple[Digest, ...], OneOrMore, Field(min_length=1, max_length=64)]


class Approved(Section):
    """What may run. A program is approved when one of these lines fits it."""

    packages: Annotated[Packages, Field(description="'all', or the packages whose programs may run")] = None
    origin: Annotated[
        Literal["any", "known"], Field(description="'known': only packages that a configured source offers")
    ] = "any"
    files: Annotated[tuple[ApprovedFile, ...], Field(max_length=4096)] = ()
    sha256: Annotated[
        tuple[Digest, ...], OneOrMore, Field(max_length=4096, description="content, wherever it lies")
    ] = ()
    paths: Annotated[tuple[SystemPattern, ...], OneOrMore, Field(max_length=256)] = ()


class Forbidden(Section):
    """A program that must not run while connected; any one of its marks is enough."""

    title: Text
    name: Text | None = None
    package: PackageName | None = None
    path: Pattern | None = None
    sha256: Digest | None = None

    @model_validator(mode="after")
    def _marked(self) -> "Forbidden":
        if not (self.name or self.package or self.path or self.sha256):
            raise ValueError("give at least one mark: name, package, path or sha256")
        return self


class Apps(Section):
    """Which programs are looked at, which may run and which must not."""

    users: Annotated[UsersValue, Field(description="whose programs are judged; default: those of whoever connects")] = (
        Users(everyone=False)
    )
    approved: Approved = Approved()
    forbidden: Annotated[tuple[Forbidden, ...], Field(max_length=1024)] = ()

    @model_validator(mode="after")
    def _named(self) -> "Apps":
        if self.users.everyone:
            raise ValueError("'apps.users' is a list of user names; leave it out for whoever connects")
        return self


class OwnNetwork(Section):
    """A wireless network that was registered: somebody's home, or somebody's phone."""

    ssid: Ssid
    title: Text
    at_least: Strength = Strength.WPA2


class Wifi(Section):
    """Which wireless networks may be used. Open ones never may."""

    own: Annotated[tuple[OwnNetwork, ...], Field(max_length=64, description="registered networks")] = ()
    protected: Annotated[
        Literal["allow", "refuse"], Field(description="networks with a password that are not registered")
    ] = "allow"
    at_least: Annotated[Strength, Field(description="how well those must be protected")] = Strength.WPA2


class Policy(Section):
    """What a hospital decides about its laptops."""

    serial: Annotated[StrictInt, Field(ge=1, le=2**53, description="grows with every change")]
    language: Annotated[Language, Field(description="language for people who chose none")] = "ja"
    help_desk: HelpDesk
    control: Control = Control()
    sites: Annotated[dict[SiteName, Site], Field(min_length=1, max_length=64)]
    checks: dict[CheckId, CheckRule] = {}
    apps: Apps = Apps()
    wifi: Wifi = Wifi()

    def rule(self, check: CheckId) -> Rule:
        """Give what is done about a check: what is written, and its default for the rest."""
        usual, written = DEFAULT_RULES[check], self.checks.get(check, CheckRule())
        return Rule(
            fail=written.fail or usual.fail,
            unknown=written.unknown or usual.unknown,
            cut=written.cut or usual.cut,
            countdown=usual.countdown if written.countdown is None else written.countdown,
            max_age=usual.max_age if written.max_age is None else written.max_age,
        )


# Our choices.
DEFAULT_RULES: Mapping[CheckId, Rule] = {
    "apps.unapproved": Rule(),
    "apps.forbidden": Rule(),
    "wifi.trust": Rule(),
}
