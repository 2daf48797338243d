"""Hypothesis strategies for every IKE value that has an encoding, and ways to damage one."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from ike.chain import Header
from ike.payloads import (
    Authentication,
    Certificate,
    CertificateRequest,
    CfgValue,
    Configuration,
    Delete,
    Eap,
    IdInitiator,
    IdResponder,
    KeyExchange,
    Nonce,
    Notify,
    Payload,
    SecurityAssociation,
    TsInitiator,
    TsResponder,
    Unknown,
    VendorId,
)
from ike.proposal import Proposal, Transform
from ike.registry import ProtocolId, TransformType, TsType
from ike.selectors import OtherSelector, Selector

octet = st.integers(0, 0xFF)
number = st.integers(0, 0xFFFF)
body = st.binary(max_size=300)

transforms = st.builds(Transform, octet.filter(lambda kind: kind != TransformType.ENCR), number) | st.builds(
    Transform, st.just(int(TransformType.ENCR)), number, st.none() | number
)


@st.composite
def proposal(draw: st.DrawFn, place: int = 1) -> Proposal:
    protocol = draw(octet)
    sizes = {ProtocolId.IKE: (0, 8), ProtocolId.AH: (4,), ProtocolId.ESP: (4,)}.get(protocol, range(20))
    size = draw(st.sampled_from(list(sizes)))
    spi = draw(st.binary(min_size=size, max_size=size))
    return Proposal(place, protocol, spi, tuple(draw(st.lists(transforms, max_size=8))))


@st.composite
def security_associations(draw: st.DrawFn) -> SecurityAssociation:
    first, count = draw(st.integers(0, 200)), draw(st.integers(1, 5))
    return SecurityAssociation(tuple(draw(proposal(first + i)) for i in range(count)))


@st.composite
def selectors(draw: st.DrawFn) -> Selector:
    if draw(st.booleans()):
        kind, make, top = TsType.IPV4_ADDR_RANGE, IPv4Address, 2**32 - 1
    else:
        kind, make, top = TsType.IPV6_ADDR_RANGE, IPv6Address, 2**128 - 1
    start, end = sorted((draw(st.integers(0, top)), draw(st.integers(0, top))))
    ports = draw(st.just((65535, 0)) | st.tuples(number, number).map(sorted))
    return Selector(int(kind), draw(octet), *ports, make(start), make(end))


other_selectors = st.builds(OtherSelector, st.integers(9, 255), st.binary(min_size=1, max_size=40))


@st.composite
def traffic(draw: st.DrawFn, cls: type[TsInitiator] | type[TsResponder]) -> TsInitiator | TsResponder:
    ranges = tuple(draw(st.lists(selectors(), max_size=5)))
    others = tuple(draw(st.lists(other_selectors, min_size=0 if ranges else 1, max_size=3)))
    return cls(ranges, others)


@st.composite
def deletes(draw: st.DrawFn) -> Delete:
    protocol = draw(octet)
    if protocol == ProtocolId.IKE:
        return Delete(protocol)
    size = 4 if protocol in (ProtocolId.AH, ProtocolId.ESP) else draw(st.integers(1, 16))
    return Delete(protocol, tuple(draw(st.lists(st.binary(min_size=size, max_size=size), max_size=6))))


@st.composite
def notifies(draw: st.DrawFn) -> Notify:
    protocol = draw(octet)
    sizes = {ProtocolId.IKE: (0, 8), ProtocolId.AH: (0, 4), ProtocolId.ESP: (0, 4)}.get(protocol, (0, 4, 8))
    size = draw(st.sampled_from(sizes))
    return Notify(draw(number), draw(body), protocol, draw(st.binary(min_size=size, max_size=size)))


three = st.binary(min_size=3, max_size=3)
cfg_values = st.builds(CfgValue, st.integers(0, 0x7FFF), st.binary(max_size=40))

payloads: st.SearchStrategy[Payload] = st.one_of(
    security_associations(),
    st.builds(KeyExchange, number, body),
    st.builds(IdInitiator, octet, body, three),
    st.builds(IdResponder, octet, body, three),
    st.builds(Certificate, octet, body),
    st.builds(CertificateRequest, octet, body),
    st.builds(Authentication, octet, body),
    st.builds(Nonce, st.binary(min_size=16, max_size=256)),
    notifies(),
    deletes(),
    st.builds(VendorId, body),
    traffic(TsInitiator),
    traffic(TsResponder),
    st.builds(Configuration, octet, st.lists(cfg_values, max_size=6).map(tuple)),
    st.builds(Eap, body),
    st.builds(Unknown, st.sampled_from([1, 32, 49, 54, 128, 255]), st.just(False), body),
)

headers = st.builds(
    Header,
    st.binary(min_size=8, max_size=8).filter(any),
    st.binary(min_size=8, max_size=8),
    octet,
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.booleans(),
)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Give bytes near something valid: some replaced, cut or added."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0 if place < len(data):
                data[place] = draw(octet)
            case 1:
                del data[place : place + draw(st.integers(1, 8))]
            case 2:
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
            case _:
                del data[place:]
    return bytes(data)
