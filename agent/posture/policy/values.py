"""The single values of a policy: how each is written, and the sentence for each way to write it wrong.

Pure: a path is only text here, and a name is never looked up.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from agent.posture.checks.paths import PathError, PathPattern
from agent.words import quote

IdentityKind = Literal["fqdn", "ip", "email", "dn"]
UidOf = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class Identity:
    """A name that a certificate must carry, as a policy writes it: `fqdn:gw.hospital.example`."""

    kind: IdentityKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class Users:
    """Whom a rule speaks of: every person of the machine, or these names and uids."""

    everyone: bool
    names: tuple[str | int, ...] = ()

    def uids(self, uid_of: UidOf) -> frozenset[int]:
        """Give the uids of the names that exist on this machine."""
        found = (name if isinstance(name, int) else uid_of(name) for name in self.names)
        return frozenset(uid for uid in found if uid is not None)

    def include(self, uid: int, uid_of: UidOf) -> bool:
        """Tell whether a user is meant."""
        return (self.everyone and uid in UIDS_OF_PEOPLE) or uid in self.uids(uid_of)


def _text(value: object) -> str:
    text = _string(value, "a text")
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise ValueError(f"write a text of 1 to {LONGEST_TEXT} characters")
    if quote(text) != text:
        raise ValueError("the text holds a control character or a mark that turns the writing direction")
    return text


def _file(value: object) -> str:
    path = _string(value, "the path of a file")
    if not path.startswith("/") or ".." in path.split("/") or path.endswith("/") or quote(path) != path:
        raise ValueError(f"write the whole path of a file, from '/' on, without '..'; this is {quote(path)!r}")
    return path


def _network(value: object) -> IPv4Network | IPv6Network:
    text = _string(value, "a network such as 10.20.0.0/16")
    try:
        return ip_network(_zoneless(text))
    except ValueError:
        pass
    try:
        network = ip_network(_zoneless(text), strict=False)
    except ValueError as error:
        raise ValueError(f"write a network such as 10.20.0.0/16; this is {quote(text)!r}") from error
    raise ValueError(f"{text} is one address inside a network; the network is {network}")


def _protected(value: object) -> IPv4Network | IPv6Network:
    network = _network(value)
    if network.prefixlen == 0:
        raise ValueError(f"{network} would send all traffic into the tunnel; name the hospital's own networks")
    if network.is_loopback or network.is_multicast or network.is_link_local:
        raise ValueError(f"{network} never leaves this computer's own link; name the hospital's own networks")
    return network


def _address(value: object) -> IPv4Address | IPv6Address:
    text = _string(value, "an IP address")
    try:
        return ip_address(_zoneless(text))
    except ValueError as error:
        raise ValueError(f"write an IP address; this is {quote(text)!r}") from error


def _domain(value: object) -> str:
    name = _string(value, "a domain name").removesuffix(".").lower()
    if len(name) > 253 or not re.fullmatch(rf"{LABEL}(?:\.{LABEL})*", name):
        raise ValueError(f"write a domain name such as hospital.example; this is {quote(name)!r}")
    return name


def _host(value: object) -> str:
    """A gateway's address: its name, or its IP address in the one usual form."""
    text = _string(value, "a name or an IP address")
    try:
        return str(ip_address(_zoneless(text)))
    except ValueError:
        pass
    name = _domain(text)
    if re.fullmatch(r"[0-9.]+", name):
        raise ValueError(f"write a name or an IP address; this is {quote(text)!r}")
    return name


def _zoneless(text: str) -> str:
    """Refuse an address with a zone ('fe80::1%eth0'): it is another place on every laptop, and a zone is any text."""
    if "%" in text:
        raise ValueError("an address with a zone")
    return text


def _identity(value: object) -> Identity:
    text = _string(value, "an identity such as fqdn:gw.hospital.example")
    kind, colon, name = text.partition(":")
    if colon and kind == "fqdn":
        return Identity("fqdn", _domain(name))
    if colon and kind == "ip":
        return Identity("ip", str(_address(name)))
    if colon and kind == "email" and re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,253}", name) and quote(name) == name:
        return Identity("email", name)
    if colon and kind == "dn" and re.fullmatch(r"[A-Za-z0-9.]+=.{1,1000}", name) and _text(name):
        return Identity("dn", name)
    raise ValueError(
        "write an identity with its kind: fqdn:gw.hospital.example, ip:198.51.100.1, "
        f"email:gw@hospital.example or dn:CN=gw,O=Hospital; this is {quote(text)!r}"
    )


def _users(value: object) -> Users:
    if value == "people":
        return Users(everyone=True)
    if not isinstance(value, list) or not value:
        raise ValueError("write 'people' for every person of this computer, or a list of user names")
    if len(value) > MOST_USERS:
        raise ValueError(f"the list has {len(value)} users; {MOST_USERS} are the most")
    for name in value:
        if isinstance(name, bool) or not isinstance(name, int | str):
            raise ValueError("a user is a name or a number")
        if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}", name):
            raise ValueError(f"{quote(name)!r} is no user name")
        if isinstance(name, int) and not 0 <= name < 2**32 - 1:
            raise ValueError(f"{name} is no user number")
    return Users(everyone=False, names=tuple(value))


def _users_as_written(users: Users) -> str | list[str | int]:
    return "people" if users.everyone else list(users.names)


def _digest(value: object) -> str:
    text = _string(value, "a SHA-256 sum").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"a SHA-256 sum has 64 digits 0-9 and a-f; this has {len(text)} characters")
    return text


def _package(value: object) -> str:
    text = _string(value, "a package name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", text):
        raise ValueError(f"{quote(text)!r} is no package name")
    return text


def _packages(value: object) -> frozenset[str] | None:
    """None stands for every package."""
    if value == "all":
        return None
    if not isinstance(value, list):
        raise ValueError("write 'all', or a list of package names")
    return frozenset(_package(name) for name in value)


def _pattern(value: object) -> PathPattern:
    try:
        return PathPattern.of(_string(value, "a path pattern such as /opt/viewer/**"))
    except PathError as error:
        raise ValueError(str(error)) from error


def _system_pattern(value: object) -> PathPattern:
    pattern = _pattern(value)
    if not pattern.only_root_writes:
        raise ValueError(
            "a path alone approves a program only where none but root can write: below /usr, /opt, /snap, "
            "/nix/store or /var/lib/flatpak; for another place list the file with its sha256 under 'files'"
        )
    return pattern


def _seconds(value: object) -> float:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _string(value, "a time")
    match = re.fullmatch(r"([0-9]{1,7})(s|m|h|d)?", text)
    if match is None:
        raise ValueError(f"write a time such as 30s, 5m or 4h; this is {quote(text)!r}")
    return float(match[1]) * UNITS[match[2] or "s"]


def _time_of_day(value: object) -> float:
    text = _string(value, "a time of day such as 09:00")
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00", text):
        raise ValueError(f"write a time of day such as 09:00; this is {quote(text)!r}")
    hours, _, minutes = text.partition(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0


def _instant(value: object) -> float:
    """An instant as seconds since 1970."""
    text = _string(value, "a date and time such as 2026-11-30T09:00:00+09:00")
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError("which 9 o'clock?")
        return instant.timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(
            "write a date and time with its distance from UTC, such as 2026-11-30T09:00:00+09:00; "
            f"this is {quote(text)!r}"
        ) from error


def _ssid(value: object) -> bytes:
    """A network's name as it is shown, or `hex:` and its bytes."""
    text = _string(value, "the name of a wireless network")
    raw = text.encode()
    if text.startswith("hex:"):
        try:
            raw = bytes.fromhex(text.removeprefix("hex:"))
        except ValueError as error:
            raise ValueError("after 'hex:' come pairs of digits 0-9 and a-f") from error
    if not 1 <= len(raw) <= LONGEST_SSID:
        raise ValueError(f"a wireless network's name has 1 to {LONGEST_SSID} bytes; this has {len(raw)}")
    return raw


def _site_name(value: object) -> str:
    text = _string(value, "a name")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", text):
        raise ValueError("the name of a site has 1 to 32 letters a-z, digits and '-'; its title may be any text")
    return text


def _string(value: object, what: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"write {what} here")
    return value


@dataclass(frozen=True, slots=True)
class _Shorter:
    """A shorter way to write a value: how it is made whole, and its JSON Schema beside that of the whole."""

    whole: Callable[[object], object]
    short: Callable[[JsonSchemaValue], JsonSchemaValue]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self.whole, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler(schema)
        return {"anyOf": [self.short(handler.resolve_ref_schema(whole)), whole]}


def _both_languages(value: object) -> object:
    return {"en": value, "ja": value} if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_text(title: str, *, pattern: str | None = None) -> WithJsonSchema:
    body = {"type": "string", "description": title}
    return WithJsonSchema(body if pattern is None else {**body, "pattern": pattern})


Text = Annotated[
    str,
    PlainValidator(_text),
    WithJsonSchema({"type": ["string", "integer"], "description": "a text for people"}),
]
File = Annotated[str, PlainValidator(_file), _as_text("the whole path of a file", pattern="^/")]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), _as_text("a network, 10.99.0.0/24")]
ProtectedNetwork = Annotated[
    IPv4Network | IPv6Network, PlainValidator(_protected), _as_text("a hospital network, 10.20.0.0/16")
]
AddressValue = Annotated[IPv4Address | IPv6Address, PlainValidator(_address), _as_text("an IP address")]
Domain = Annotated[str, PlainValidator(_domain), _as_text("a domain name")]
Host = Annotated[str, PlainValidator(_host), _as_text("a name or an IP address")]
IdentityValue = Annotated[
    Identity, PlainValidator(_identity), _as_text("a kind and a name", pattern="^(fqdn|ip|email|dn):.+$")
]
Digest = Annotated[str, PlainValidator(_digest), _as_text("a SHA-256 sum", pattern="^[0-9a-fA-F]{64}$")]
PackageName = Annotated[str, PlainValidator(_package), _as_text("a package's name")]
Pattern = Annotated[PathPattern, PlainValidator(_pattern), _as_text("a path; * and ** stand for any name, any folders")]
SystemPattern = Annotated[PathPattern, PlainValidator(_system_pattern), _as_text("a path where only root writes")]
Ssid = Annotated[bytes, PlainValidator(_ssid), _as_text("a network's name, or hex: and its bytes")]
Seconds = Annotated[
    float,
    PlainValidator(_seconds),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,7}[smhd]?$"}]}
    ),
]
Instant = Annotated[
    float,
    PlainValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "a date and time, with its offset"}),
]
TimeOfDay = Annotated[
    float, PlainValidator(_time_of_day), _as_text("a time of day, 09:00", pattern="^[0-9]{1,2}:[0-9]{2}$")
]
UsersValue = Annotated[
    Users,
    PlainValidator(_users),
    PlainSerializer(_users_as_written),
    WithJsonSchema({"anyOf": [{"const": "people"}, {"type": "array", "items": {"type": ["string", "integer"]}}]}),
]
Packages = Annotated[
    frozenset[str] | None,
    PlainValidator(_packages),
    WithJsonSchema({"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}]}),
]
BothLanguages = _Shorter(_both_languages, lambda _: {"type": "string"})
OneOrMore = _Shorter(_listed, lambda listed: listed["items"])  # behind the field's own bounds, which are the list's
SiteName = Annotated[str, PlainValidator(_site_name), _as_text("a site", pattern="^[a-z0-9][a-z0-9-]{0,31}$")]

LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_SSID = 32

# Our choices.
LONGEST_TEXT = 120
MOST_USERS = 64
UIDS_OF_PEOPLE = range(1000, 60_000)
