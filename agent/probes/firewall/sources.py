"""Sets of addresses as ranges of numbers, so that a rule about senders splits a question without trying each one.

It knows no rule, and of one IP version at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Sources:
    """Addresses as sorted, disjoint ranges, both ends included."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> "Sources":
        """Join ranges in any order, overlapping or not."""
        joined: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(high, joined[-1][1])
            else:
                joined.append((low, high))
        return cls(tuple(joined))

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.ranges)

    def __contains__(self, address: int) -> bool:
        """Tell whether one address is among them."""
        return any(low <= address <= high for low, high in self.ranges)

    def __or__(self, other: "Sources") -> "Sources":
        """Give those of either."""
        if not self.ranges or not other.ranges or self.ranges == other.ranges:
            return self if self.ranges else other
        return Sources.of((*self.ranges, *other.ranges))

    def __and__(self, other: "Sources") -> "Sources":
        """Give those of both."""
        if ALL in (self, other):
            return other if self == ALL else self
        return self - ~other

    def __sub__(self, other: "Sources") -> "Sources":
        """Give those of the first only."""
        left: list[tuple[int, int]] = []
        takes = iter((*other.ranges, BEYOND))
        take = next(takes)
        for low, high in self.ranges:
            while low <= high:
                while take[1] < low:
                    take = next(takes)
                if take[0] > low:
                    left.append((low, min(high, take[0] - 1)))
                low = take[1] + 1
        return Sources(tuple(left))

    def __invert__(self) -> "Sources":
        """Give all others."""
        return ALL - self


def read_range(told: object) -> tuple[int, int] | None:
    """Read an address, a prefix or a range as nft writes it; None for anything else."""
    try:
        match told:
            case str(text):
                address = int(ip_address(text))
                return address, address
            case {"prefix": {"addr": str(text), "len": int(length)}}:
                network = ip_network((text, length), strict=False)
                return int(network.network_address), int(network.broadcast_address)
            case {"range": [str(low), str(high)]} if ends := (int(ip_address(low)), int(ip_address(high))):
                return ends if ends[0] <= ends[1] else None
    except ValueError:
        pass
    return None


def strangers(version: int, own: Iterable[IPv4Address | IPv6Address]) -> Sources:
    """Give every address that a sender may have: no loopback, no group, and none of our own."""
    ours = Sources.of((int(address), int(address)) for address in own if address.version == version)
    return SENDERS[version] - ours


# Fixed by the Internet protocols.
HIGHEST = 2**128 - 1
BEYOND = (HIGHEST + 1, HIGHEST + 1)
ALL = Sources(((0, HIGHEST),))
NONE = Sources()
SENDERS = {
    4: Sources(((0x0100_0000, 0x7EFF_FFFF), (0x8000_0000, 0xDFFF_FFFF))),
    6: Sources(((2, 0xFF << 120),)) - Sources(((0xFF << 120, HIGHEST),)),
}
