"""The network around the laptop: what it may be like, and what it is asked."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from agent.posture.checks.hostile import Hostile
from agent.posture.checks.turnaround import Service, Turnaround
from agent.posture.facts.network import Prefix, Transport
from agent.posture.policy.rules import Section
from agent.posture.policy.sites import Site
from agent.posture.policy.values import Domain, OneOrMore
from agent.words import Words, quote


def _page(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(PAGE, value):
        shown = quote(value) if isinstance(value, str) else "something else"
        raise ValueError(
            f"write a page such as http://check.hospital.example/empty: plain http, for a login page can answer "
            f"nothing else; this is {shown!r}"
        )
    return value


class Portal(Section):
    """A page that answers 204 (no content) to everybody; whatever else comes was sent by a login page."""

    url: Annotated[
        str,
        PlainValidator(_page),
        WithJsonSchema({"type": "string", "pattern": "^http://"}),
        Field(description="a page of the hospital's own, by plain http"),
    ]


class Canary(Section):
    """A name that does not exist; a name server that answers it with an address lies."""

    name: Annotated[Domain, Field(description="such as does-not-exist.hospital.example")]


def _service(value: object) -> Service:
    match = re.fullmatch(SERVICE, value) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[2]) <= HIGHEST_PORT:
        shown = quote(value) if isinstance(value, str) else "something else"
        raise ValueError(f"write a service such as tcp/22 or udp/161; this is {shown!r}")
    return Transport(match[1]), int(match[2])


ServiceValue = Annotated[
    Service,
    PlainValidator(_service),
    PlainSerializer(lambda service: f"{service[0]}/{service[1]}"),
    WithJsonSchema({"type": "string", "pattern": "^(tcp|udp)/[0-9]{1,5}$"}),
]


class Strangers(Section):
    """What others on the network may use of the laptop."""

    ports: Annotated[
        tuple[ServiceValue, ...], Field(max_length=256, description="what may be reached, such as tcp/22"), OneOrMore
    ] = ()
    second_link: Annotated[
        Literal["allow", "refuse"], Field(description="two networks in use at once, such as a cable and Wi-Fi")
    ] = "allow"


class Network(Section):
    """The network around the laptop. Without `wire`, `portal` and `canary` it is asked nothing."""

    overlap: Annotated[
        Literal["allow", "refuse"], Field(description="a local network that uses addresses of the hospital's")
    ] = "allow"
    wire: Annotated[
        Literal["ask", "silent"], Field(description="'ask' on the link itself who its router and its DHCP servers are")
    ] = "silent"
    portal: Annotated[Portal | None, Field(description="how a login page is noticed")] = None
    canary: Annotated[Canary | None, Field(description="how a lying name server is noticed")] = None
    turnaround: Strangers = Strangers()


def hostile(network: Network, sites: Iterable[Site], help_desk: Words) -> Hostile:
    """Make the check of `network.hostile`."""
    protected = tuple(dict.fromkeys(prefix for site in sites for prefix in _protected(site)))
    return Hostile(help_desk, protected, network.overlap == "allow")


def turnaround(network: Network, help_desk: Words) -> Turnaround:
    """Make the check of `network.turnaround`."""
    section = network.turnaround
    return Turnaround(help_desk, frozenset(section.ports), section.second_link == "allow")


def _protected(site: Site) -> Iterator[Prefix]:
    """Give what no network may divert: the site's networks, and its routers where they are known by address."""
    yield from site.networks
    for gateway in site.gateways:
        try:
            yield ip_network(ip_address(gateway.address))
        except ValueError:
            continue


# Fixed by RFC 3986, and no wider than what is needed: no user, no address in brackets, nothing that could end a line.
PAGE = r"http://[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,4}|:[1-5][0-9]{4})?(?:/[!-\"$-~]{0,500})?"

# Fixed by the Internet protocols.
SERVICE = r"(tcp|udp)/([0-9]{1,5})"
HIGHEST_PORT = 65_535
