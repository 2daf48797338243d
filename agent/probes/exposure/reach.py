"""What of this machine strangers could use: its sockets, its way on to other networks, its handed-on ports.

It looks at nothing itself. Where the rules could not be read or understood the answer stays open.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from agent.posture.facts.network import Address, Exposure, Firewall, Listener, Transport
from agent.posture.facts.observed import Told
from agent.probes.exposure.links import Link, Links
from agent.probes.firewall.packet import Packet
from agent.probes.firewall.passage import Passage
from agent.probes.sockets import Waiting

Forwards = Callable[[int, str], bool]


@dataclass(frozen=True, slots=True)
class Reach:
    """The links and the rules at one moment. Without a `passage` the rules are not known; `tunnel` is our interface."""

    links: Links
    passage: Passage | None
    tunnel: str

    def firewall(self) -> Firewall:
        """Tell whether ports that no rule names are turned away at every link."""
        told = {
            self._passes(Packet(transport, port, version, link.name, to))
            for link in self.links.outer
            for version, to in _held(link).items()
            for transport in Transport
            for port in UNLISTED
        }
        if not told:
            return Firewall(Told.UNTOLD, NO_LINK)
        if Told.YES in told:
            return Firewall(Told.NO)
        return Firewall(Told.UNTOLD, self._why()) if Told.UNTOLD in told else Firewall(Told.YES)

    def exposure(self, waiting: Iterable[Waiting], forwards: Forwards) -> Exposure:
        """Tell every way in or through."""
        routers, published, led_to = dict(self._routers(forwards)), dict(self._published()), self._led_to()
        untold = {"routers": routers.values(), "published": published.values()}
        return Exposure(
            tuple(dict.fromkeys(self._listener(one, led_to) for one in waiting)),
            routers=tuple(name for name, told in routers.items() if told is Told.YES),
            bridges=self.links.bridges,
            published=tuple(port for port, told in published.items() if told is Told.YES),
            tunnels=self.links.tunnels,
            ways_out=self.links.ways_out,
            untold=tuple(name for name, told in untold.items() if Told.UNTOLD in told),
        )

    def _listener(self, waiting: Waiting, led_to: frozenset[int | None]) -> Listener:
        told = _any_of(self._passes(packet) for packet in self._attempts(waiting))
        if told is Told.NO and not led_to.isdisjoint((waiting.port, None)):
            told = Told.UNTOLD
        return Listener(waiting.transport, waiting.address, waiting.port, waiting.uid, told)

    def _attempts(self, waiting: Waiting) -> Iterator[Packet]:
        """Give a packet for each link and IP version by which a stranger could try."""
        for link in self.links.outer:
            if waiting.device not in (0, link.index):
                continue
            for version, held in _held(link).items():
                to = held if waiting.address.is_unspecified else (int(waiting.address),)
                if version in waiting.versions:
                    yield Packet(waiting.transport, waiting.port, version, link.name, to)

    def _led_to(self) -> frozenset[int | None]:
        """Give the ports of this machine that rules send packets for other ports to; None where it may be any."""
        moving = () if self.passage is None else self.passage.ruleset.moving
        return frozenset(_local_port(body, self.links.addresses) for body in moving)

    def _routers(self, forwards: Forwards) -> Iterator[tuple[str, Told]]:
        """Tell of each link whether packets that come in there go on: to the hospital, or to another link."""
        for link in self.links.outer:
            onward = [self.tunnel, *(other.name for other in self.links.outer if other != link)]
            packets = [
                Packet(transport, UNLISTED[0], version, link.name, onward=out)
                for version in VERSIONS
                if forwards(version, link.name)
                for transport in Transport
                for out in onward
            ]
            yield link.name, _any_of(self._passes(packet) for packet in packets)

    def _published(self) -> Iterator[tuple[int, Told]]:
        """Tell of each port that a rule could hand on whether it does; port 0 stands for all others."""
        if self.passage is None:
            yield 0, Told.UNTOLD
            return
        named = self.passage.ruleset.ports_to_move()
        for port in (*named[:MOST_PORTS], 0):
            yield (
                port,
                _any_of(
                    self.passage.moves(Packet(transport, port or UNLISTED[0], version, link.name, to))
                    for link in self.links.outer
                    for version, to in _held(link).items()
                    for transport in Transport
                ),
            )
        if named[MOST_PORTS:]:
            yield named[MOST_PORTS], Told.UNTOLD

    def _passes(self, packet: Packet) -> Told:
        return Told.UNTOLD if self.passage is None else self.passage.passes(packet)

    def _why(self) -> str:
        return OLDER_RULES if self.passage is not None and self.passage.ruleset.beside else NOT_UNDERSTOOD


def _held(link: Link) -> dict[int, tuple[int, ...]]:
    """Sort a link's addresses by IP version; by a version that it has none of, nobody gets in."""
    versions = {address.version for address in link.addresses}
    return {each: tuple(int(one) for one in link.addresses if one.version == each) for each in sorted(versions)}


def _any_of(told: Iterable[Told]) -> Told:
    answers = set(told)
    return next((answer for answer in (Told.YES, Told.UNTOLD) if answer in answers), Told.NO)


def _local_port(body: object, own: tuple[Address, ...]) -> int | None:
    """Give the port of ours that a rule sends to: None where it may be any, 0 where the packet goes elsewhere."""
    match body:
        case {"addr": str(address)} if address not in map(str, own):
            return 0
        case {"port": int(port)}:
            return port
    return None


NO_LINK = "no network is in use"
OLDER_RULES = "rules of the older firewall (iptables) are in force, which cannot be read"
NOT_UNDERSTOOD = "the firewall has rules that Sekisho does not understand"
VERSIONS = (4, 6)

# Our choices: ports that nothing is known to use, low and high; how many handed-on ports are asked about.
UNLISTED = (1_011, 28_473, 61_797)
MOST_PORTS = 256
