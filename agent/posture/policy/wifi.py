"""The links of a policy: which Wi-Fi may carry the way to the hospital, and whether cables and phones may."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from agent.posture.checks.wifi import LinkKind, Managed, Registered, Strength, Trust
from agent.posture.moment import Moment
from agent.posture.policy.rules import Section
from agent.posture.policy.values import Domain, OneOrMore, Ssid, Text
from agent.words import Words

Allowed = Literal["allow", "refuse"]


class OwnNetwork(Section):
    """A wireless network that was registered: somebody's home, or somebody's phone."""

    ssid: Ssid
    title: Text
    at_least: Strength = Strength.WPA2


class ManagedNetwork(Section):
    """The hospital's own wireless network (802.1X), known by what its server proves and not by its name."""

    ssid: Annotated[Ssid | None, Field(description="only under this name; default: under any")] = None
    server: Annotated[
        tuple[Domain, ...],
        Field(min_length=1, max_length=16, description="names that the server's certificate may carry"),
        OneOrMore,
    ]


class Wifi(Section):
    """Which links may be used. Open wireless networks never may."""

    own: Annotated[tuple[OwnNetwork, ...], Field(max_length=64, description="registered networks")] = ()
    managed: Annotated[tuple[ManagedNetwork, ...], Field(max_length=16, description="the hospital's own networks")] = ()
    registrations: Annotated[
        StrictInt, Field(ge=0, le=16, description="how many networks a user may register; with 0 none counts")
    ] = 3
    protected: Annotated[Allowed, Field(description="networks with a password that are not registered")] = "allow"
    at_least: Annotated[Strength, Field(description="how well those must be protected")] = Strength.WPA2
    management_frames: Annotated[
        Literal["any", "required"], Field(description="whether management frames must be protected (802.11w)")
    ] = "any"
    wired: Annotated[Allowed, Field(description="network cables")] = "allow"
    tethered: Annotated[Allowed, Field(description="phones by cable or Bluetooth")] = "allow"
    mobile: Annotated[Allowed, Field(description="the laptop's own modem")] = "allow"


def trust(
    wifi: Wifi, help_desk: Words, network_key: bytes, registered: tuple[Registered, ...], moment: Moment
) -> Trust:
    """Make the check of `wifi.trust`; what the policy registers goes before what people `registered`."""
    listed = tuple(Registered(one.ssid, one.title, one.at_least) for one in wifi.own)
    rules = {LinkKind.WIRED: wifi.wired, LinkKind.TETHERED: wifi.tethered, LinkKind.MOBILE: wifi.mobile}
    return Trust(
        help_desk=help_desk,
        network_key=network_key,
        own=listed + (registered if wifi.registrations else ()),
        protected=wifi.protected == "allow",
        at_least=wifi.at_least,
        managed=tuple(Managed(one.server, one.ssid) for one in wifi.managed),
        guarded=wifi.management_frames == "required",
        refused=frozenset(kind for kind, rule in rules.items() if rule == "refuse"),
        registers=wifi.registrations > 0,
        moment=moment,
    )
