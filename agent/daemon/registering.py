"""Registers the wireless network in use as somebody's own, and forgets one; each refusal is one sentence.

It trusts a network for what protects it, never for its name, and judges no connection.
"""

from typing import Literal

from agent.control.messages import Network, Networks
from agent.daemon.instants import iso
from agent.daemon.registrations import Registration, Registrations
from agent.posture.checks.networks import BROKEN, WITHOUT_PASSWORD, in_effect, readable
from agent.posture.checks.wifi import Strength
from agent.posture.facts import Links, Observed, Security, Unseen, Wireless
from agent.posture.policy.wifi import Wifi
from agent.problems import Problem, Trouble, problem


def register(
    wifi: Wifi, kept: Registrations, links: Observed[Links] | Unseen, title: str | None, uid: int, wall: float
) -> Registration | Problem:
    """Register the one wireless network in use at `wall` (since 1970); the problem says why that may not be."""
    try:
        network = _in_use(links)
        strength = _strength(network)
        called = _title(title, network)
        _demand_room(wifi, kept, network)
        new = Registration(network.ssid, called, strength, uid, wall)
        kept.add(new)
    except Trouble as trouble:
        return trouble.problem
    except OSError as error:
        return problem("registration.unkept", error.strerror or str(error))
    return new


def forget(kept: Registrations, which: str) -> Registration | Problem:
    """Forget the network of this number, title or name; the problem says why none was."""
    found = _named(kept.all, which)
    if len(found) != 1:
        return problem("registration.unclear" if found else "registration.unknown", which)
    try:
        kept.remove(found[0])
    except OSError as error:
        return problem("registration.unkept", error.strerror or str(error))
    return found[0]


def listed(
    wifi: Wifi, kept: Registrations, added: Registration | None = None, removed: Registration | None = None
) -> Networks:
    """Tell what is registered, the policy's own first, and what was just changed."""
    own = tuple(Network(None, one.title, readable(one.ssid), _word(one.at_least), None) for one in wifi.own)
    told = {one.ssid: _told(number, one) for number, one in enumerate(kept.all, 1)}
    return Networks(
        own + tuple(told.values()),
        wifi.registrations,
        None if added is None else told[added.ssid],
        None if removed is None else _told(None, removed),
    )


def _told(number: int | None, one: Registration) -> Network:
    return Network(number, one.title, readable(one.ssid), _word(one.at_least), iso(one.since))


def _word(strength: Strength) -> Literal["wpa2", "wpa3"]:
    return "wpa3" if strength is Strength.WPA3 else "wpa2"


def _named(networks: tuple[Registration, ...], which: str) -> tuple[Registration, ...]:
    """Find what somebody means: a number counts before a title, and a title before a network's own name."""
    by_number = tuple(one for number, one in enumerate(networks, 1) if which == str(number))
    by_title = tuple(one for one in networks if one.title == which)
    return by_number or by_title or tuple(one for one in networks if readable(one.ssid) == which)


def _in_use(links: Observed[Links] | Unseen) -> Wireless:
    if isinstance(links, Unseen):
        raise Trouble("registration.unseen", links.why)
    wireless = links.value.wireless
    if len(wireless) != 1:
        raise Trouble("registration.several" if wireless else "registration.no_wifi")
    if not wireless[0].ssid.strip(b"\0"):
        raise Trouble("registration.nameless")
    return wireless[0]


def _strength(network: Wireless) -> Strength:
    """Give the protection that the network must keep from now on; raise `Trouble` where it is too little."""
    security = in_effect(network)
    if security is Security.UNKNOWN:
        raise Trouble("registration.unseen", "its protection could not be told")
    if security in WITHOUT_PASSWORD:
        raise Trouble("registration.open")
    if security in BROKEN:
        raise Trouble("registration.weak")
    return Strength.WPA3 if security is Security.SAE else Strength.WPA2


def _title(title: str | None, network: Wireless) -> str:
    called = readable(network.ssid)[:LONGEST_TITLE] if title is None else title.strip()
    if not 1 <= len(called) <= LONGEST_TITLE:
        raise Trouble("registration.title")
    return called


def _demand_room(wifi: Wifi, kept: Registrations, network: Wireless) -> None:
    if not wifi.registrations:
        raise Trouble("registration.off")
    if network.ssid in {one.ssid for one in wifi.own} | {one.ssid for one in kept.all}:
        raise Trouble("registration.known")
    if len(kept.all) >= wifi.registrations:
        raise Trouble("registration.full")


# Our choice, in characters.
LONGEST_TITLE = 64
