"""Knows how to make the road through the hotel's router bad, and good again.

Never touches the laptop or the gateway: all of it happens in the router, as it would.
"""

from tests.lab.namespaces import GATEWAY, HOSPITAL, LAPTOP, Topology


def lose(town: Topology, percent: int) -> None:
    """Lose this share of all packets, each way."""
    _spoil(town, "forward", f"numgen random mod 100 < {percent} drop")


def cut(town: Topology) -> None:
    """Let nothing pass, and say nothing about it."""
    _spoil(town, "forward", "drop")


def drop_answers(town: Topology) -> None:
    """Let requests to the gateway pass and drop what it answers."""
    _spoil(town, "forward", f"ip saddr {GATEWAY} drop")


def drop_fragments(town: Topology) -> None:
    """Drop every IP fragment, as many home routers do; before the kernel could put them together."""
    _spoil(town, "prerouting", "ip frag-off & 0x3fff != 0 drop", priority=BEFORE_DEFRAGMENTATION)


def narrow(town: Topology, mtu: int) -> None:
    """Let only packets up to this size pass the uplink; larger ones that may not be cut are answered with ICMP."""
    _set_mtu(town, f"mtu {mtu}")


def hide_path_mtu(town: Topology) -> None:
    """Send no ICMP from the router: together with `narrow`, a black hole for large packets."""
    _spoil(town, "output", "meta l4proto icmp drop")


def heal(town: Topology) -> None:
    """Make the road good again."""
    town.router.nft(f"add table ip {TABLE}\ndelete table ip {TABLE}\n")
    _set_mtu(town, "")


def _spoil(town: Topology, hook: str, rule: str, priority: int = 0) -> None:
    chain = f"type filter hook {hook} priority {priority}; policy accept; {rule};"
    town.router.nft(f"table ip {TABLE} {{ chain {hook} {{ {chain} }}; }}\n")


def _set_mtu(town: Topology, mtu: str) -> None:
    town.router.ip(
        f"route replace {GATEWAY}/32 dev wan {mtu}",
        f"route replace {HOSPITAL} via {GATEWAY} dev wan {mtu}",
        f"route replace {LAPTOP}/32 dev lan {mtu}",
    )


# Our choices
TABLE = "road"
BEFORE_DEFRAGMENTATION = -450
