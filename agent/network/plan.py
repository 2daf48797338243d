"""What the network shall look like while a tunnel is open, as a list of changes that each know their inverse.

Pure: it asks nothing of the machine and changes nothing.

                                     priority
    marked packets (our own UDP)     p      go to p + 2, as if the tunnel were not there
    to each protected network        p + 1  look in our table: the tunnel, else unreachable
    (landing place)                  p + 2  go on with the machine's own rules
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TypeVar

from agent.network.dns import DnsConfig, FileState, ResolverChange, with_tunnel
from agent.network.errors import NetworkRefused

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network
Item = TypeVar("Item")

# Our choices: the firewall mark of our own UDP, our routing table, our place among the rules, packets in the queue.
MARK, TABLE, PRIORITY, QUEUE = 0x5E, 0x5E, 5_000, 2_000


@dataclass(frozen=True, slots=True)
class LinkState:
    """What we set of an interface; `queue` counts packets."""

    mtu: int
    queue: int
    up: bool


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that `apply` needs to know of one tunnel."""

    interface: str
    index: int
    mtu: int
    addresses: tuple[Interface, ...]
    networks: tuple[Network, ...]
    dns: DnsConfig | None = None
    mark: int = MARK
    table: int = TABLE
    priority: int = PRIORITY
    queue: int = QUEUE

    @property
    def families(self) -> tuple[int, ...]:
        """Tell which IP versions are protected, 4 before 6."""
        return tuple(sorted({network.version for network in self.networks}))

    @property
    def priorities(self) -> range:
        """Tell the places in the machine's list of rules that are ours."""
        return range(self.priority, self.priority + 3)


@dataclass(frozen=True, slots=True)
class LinkChange:
    """Set an interface from one state to another."""

    interface: str
    index: int
    before: LinkState
    after: LinkState

    def inverse(self) -> "LinkChange":
        """Give the change that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True)
class AddressChange:
    """Add or remove an address, without the prefix route that would come with it."""

    add: bool
    index: int
    address: Interface

    def inverse(self) -> "AddressChange":
        """Give the change that takes this one back."""
        return replace(self, add=not self.add)


@dataclass(frozen=True, slots=True)
class RouteChange:
    """Add or remove one route of our table; without an interface it is the last, unreachable one."""

    add: bool
    table: int
    network: Network
    index: int | None = None
    source: Address | None = None

    def inverse(self) -> "RouteChange":
        """Give the change that takes this one back."""
        return replace(self, add=not self.add)


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Add or remove one rule: of the three kinds of the picture above, the set field tells which."""

    add: bool
    family: int
    priority: int
    network: Network | None = None
    table: int | None = None
    mark: int | None = None
    target: int | None = None

    def inverse(self) -> "RuleChange":
        """Give the change that takes this one back."""
        return replace(self, add=not self.add)


KernelChange = LinkChange | AddressChange | RouteChange | RuleChange
Change = KernelChange | ResolverChange


def plan(config: NetworkConfig, link: LinkState, resolver: FileState | None) -> tuple[Change, ...]:
    """List the changes in order; nothing leads into the tunnel before the tunnel is ready."""
    check(config)
    up = LinkState(config.mtu, config.queue, up=True)
    return (
        LinkChange(config.interface, config.index, link, up),
        *(AddressChange(True, config.index, address) for address in _unique(config.addresses)),
        *_routes(config),
        *_rules(config),
        *_resolver(config.dns, resolver),
    )


def check(config: NetworkConfig) -> None:
    """Refuse what no kernel could carry out, before anything is changed."""
    if not SMALLEST_MTU <= config.mtu <= LARGEST_MTU:
        raise NetworkRefused("link", f"an MTU of {config.mtu} bytes is outside {SMALLEST_MTU} to {LARGEST_MTU}")
    if not config.addresses or not config.networks:
        raise NetworkRefused("plan", "a tunnel needs at least one address and one protected network")
    lacking = set(config.families) - {address.version for address in config.addresses}
    if lacking:
        raise NetworkRefused("plan", f"there is no IPv{min(lacking)} address for the protected networks")


def _routes(config: NetworkConfig) -> tuple[RouteChange, ...]:
    floors = tuple(RouteChange(True, config.table, EVERYTHING[family]) for family in config.families)
    sources = {address.version: address.ip for address in reversed(config.addresses)}
    tunnels = tuple(
        RouteChange(True, config.table, network, config.index, sources[network.version])
        for network in _unique(config.networks)
    )
    return floors + tunnels


def _rules(config: NetworkConfig) -> tuple[RuleChange, ...]:
    skip, protect, land = config.priorities
    lands = tuple(RuleChange(True, family, land) for family in config.families)
    skips = tuple(RuleChange(True, family, skip, mark=config.mark, target=land) for family in config.families)
    protects = tuple(
        RuleChange(True, network.version, protect, network=network, table=config.table)
        for network in _unique(config.networks)
    )
    return lands + skips + protects


def _resolver(dns: DnsConfig | None, now: FileState | None) -> tuple[ResolverChange, ...]:
    if dns is None or now is None:
        return ()
    return (ResolverChange(dns.path, now, with_tunnel(now, dns)),)


def _unique(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(dict.fromkeys(items))


# Fixed by the kernel.
EVERYTHING: dict[int, Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}
SMALLEST_MTU, LARGEST_MTU = 576, 65_535
