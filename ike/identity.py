"""Who an end of the SA claims to be (RFC 7296 §3.5); it never decides whether the claim is true."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

from ike import distinguished
from ike.errors import ConfigError, MalformedError, printable
from ike.registry import IdType, name_of


@dataclass(frozen=True, slots=True)
class Identity:
    """An identification type and its data, compared byte for byte."""

    kind: int
    data: bytes

    @classmethod
    def fqdn(cls, name: str) -> Self:
        """Name a host; a name outside ASCII must be given in its A-label form."""
        return cls(IdType.FQDN, _ascii(name, "host name"))

    @classmethod
    def email(cls, address: str) -> Self:
        """Name a mailbox, as in user@example.org."""
        return cls(IdType.RFC822_ADDR, _ascii(address, "mail address"))

    @classmethod
    def address(cls, address: str | IPv4Address | IPv6Address) -> Self:
        """Name an IP address."""
        try:
            parsed = ip_address(address)
        except ValueError as error:
            raise ConfigError(f"{address!r} is not an IP address") from error
        return cls(IdType.IPV4_ADDR if parsed.version == 4 else IdType.IPV6_ADDR, parsed.packed)

    @classmethod
    def dn(cls, der: bytes) -> Self:
        """Name an X.501 distinguished name by its DER."""
        return cls(IdType.DER_ASN1_DN, der)

    def describe(self) -> str:
        """Say it for people: never a control character, never longer than a log line should be."""
        text = self._text()
        return text if len(text) <= MAXIMUM_TEXT else text[:MAXIMUM_TEXT] + "..."

    def _text(self) -> str:
        shown = self.data[: MAXIMUM_TEXT + 1]
        match self.kind, len(self.data):
            case (IdType.IPV4_ADDR, 4) | (IdType.IPV6_ADDR, 16):
                return str(ip_address(self.data))
            case ((IdType.FQDN | IdType.RFC822_ADDR), _):
                return printable(shown)
            case IdType.DER_ASN1_DN, size if size <= MAXIMUM_DN:
                return _distinguished(self.data)
        return f"{name_of(IdType, self.kind)}:{shown.hex()}"


def _ascii(text: str, what: str) -> bytes:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(f"{text!r} is not a {what} in printable ASCII")
    return text.encode("ascii")


def _distinguished(der: bytes) -> str:
    try:
        return printable(distinguished.describe(der))
    except MalformedError:
        return f"{IdType.DER_ASN1_DN.name}:{der.hex()}"


# Our choices
MAXIMUM_TEXT = 256
MAXIMUM_DN = 4096
