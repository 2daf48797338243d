"""scapy reads what we write and writes what we read: an independent opinion on IKE's bytes."""

from ipaddress import IPv4Network, IPv6Network

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib import ikev2 as oracle
from scapy.packet import NoPayload, Packet, Raw

from ike import message
from ike.fragment import seal_fragments
from ike.message import Header, Message
from ike.payloads import (
    Authentication,
    CertificateRequest,
    CfgValue,
    Configuration,
    Delete,
    IdInitiator,
    IdResponder,
    KeyExchange,
    Nonce,
    Notify,
    SecurityAssociation,
    TsInitiator,
    TsResponder,
    VendorId,
)
from ike.proposal import ESP_DEFAULT, IKE_COMPATIBLE, IKE_DEFAULT, Proposal, Transform, with_spi
from ike.registry import ExchangeType, PayloadType
from ike.selectors import Selector
from tests.ike_boxes import BOXES, SUITES
from tests.ike_strategies import headers, octet

HEADER = Header(b"initiatr", b"responde", ExchangeType.IKE_SA_INIT, 7, initiator=True, response=False)
PUBLIC = bytes(range(96))

PAIRS = [
    pytest.param(KeyExchange(20, PUBLIC), oracle.IKEv2_KE(group=20, ke=PUBLIC), id="KE"),
    pytest.param(Nonce(PUBLIC[:32]), oracle.IKEv2_Nonce(nonce=PUBLIC[:32]), id="nonce"),
    pytest.param(IdInitiator(2, b"gw.test"), oracle.IKEv2_IDi(IDtype=2, ID=b"gw.test"), id="IDi"),
    pytest.param(IdResponder(1, bytes((10, 0, 0, 1))), oracle.IKEv2_IDr(IDtype=1, ID="10.0.0.1"), id="IDr"),
    pytest.param(
        CertificateRequest(4, PUBLIC[:40]),
        oracle.IKEv2_CERTREQ(cert_encoding=4, cert_authority=PUBLIC[:40]),
        id="CERTREQ",
    ),
    pytest.param(Authentication(14, PUBLIC), oracle.IKEv2_AUTH(auth_type=14, load=PUBLIC), id="AUTH"),
    pytest.param(Notify(16390, b"grain"), oracle.IKEv2_Notify(proto=0, type=16390, notify=b"grain"), id="cookie"),
    pytest.param(Notify(16393, b"", 3, b"spi_"), oracle.IKEv2_Notify(proto=3, type=16393, SPI=b"spi_"), id="rekey"),
    pytest.param(Delete(1), oracle.IKEv2_Delete(proto=1, SPIsize=0, SPInum=0), id="delete IKE"),
    pytest.param(
        Delete(3, (b"spi1", b"spi2")),
        oracle.IKEv2_Delete(proto=3, SPIsize=4, SPInum=2, SPI=[b"spi1", b"spi2"]),
        id="delete ESP",
    ),
    pytest.param(VendorId(b"vendor"), oracle.IKEv2_VendorID(vendorID=b"vendor"), id="vendor id"),
    pytest.param(
        TsInitiator((Selector.from_network(IPv4Network("10.50.0.0/24"), 6, (104, 104)),)),
        oracle.IKEv2_TSi(
            traffic_selector=[
                oracle.IPv4TrafficSelector(
                    IP_protocol_ID=6,
                    start_port=104,
                    end_port=104,
                    starting_address_v4="10.50.0.0",
                    ending_address_v4="10.50.0.255",
                )
            ]
        ),
        id="TSi IPv4",
    ),
    pytest.param(
        TsResponder((Selector.from_network(IPv6Network("2001:db8::/127")),)),
        oracle.IKEv2_TSr(
            traffic_selector=[
                oracle.IPv6TrafficSelector(
                    IP_protocol_ID=0, length=40, starting_address_v6="2001:db8::", ending_address_v6="2001:db8::1"
                )
            ]
        ),
        id="TSr IPv6",
    ),
    pytest.param(
        Configuration(1, (CfgValue(1), CfgValue(3), CfgValue(25, b"hospital.test"))),
        oracle.IKEv2_CP(
            CFGType=1,
            attributes=[
                oracle.ConfigurationAttribute(type=1, length=0, value=b""),
                oracle.ConfigurationAttribute(type=3, length=0, value=b""),
                oracle.ConfigurationAttribute(type=25, value=b"hospital.test"),
            ],
        ),
        id="CP",
    ),
]


def packet(payload: Packet, kind: int) -> bytes:
    """Let scapy build a whole message around one payload."""
    header = oracle.IKEv2(
        init_SPI=b"initiatr",
        resp_SPI=b"responde",
        next_payload=kind,
        exch_type=34,
        flags="Initiator",
        id=7,
    )
    payload.next_payload = 0
    return bytes(header / payload)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_both_write_the_same_bytes(ours, theirs):
    assert message.encode(HEADER, (ours,)) == packet(theirs, ours.type)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_we_read_what_scapy_writes(ours, theirs):
    assert message.decode(packet(theirs, ours.type)) == Message(HEADER, (ours,))


def test_scapy_walks_a_whole_chain_of_ours():
    chain = tuple(pair.values[0] for pair in PAIRS)
    layer = oracle.IKEv2(message.encode(HEADER, chain)).payload
    kinds = []
    while not isinstance(layer, NoPayload):
        kinds.append(type(layer))
        layer = layer.payload
    assert kinds == [type(pair.values[1]) for pair in PAIRS]


@given(headers)
def test_scapy_reads_our_header(header):
    seen = oracle.IKEv2(message.encode(header, ()))
    assert (seen.init_SPI, seen.resp_SPI, seen.exch_type, seen.id) == (
        header.spi_i,
        header.spi_r,
        header.exchange,
        header.message_id,
    )
    assert (seen.flags.Initiator, seen.flags.Response, seen.length) == (header.initiator, header.response, 28)


@pytest.mark.parametrize("offer", [IKE_DEFAULT, IKE_COMPATIBLE, with_spi(ESP_DEFAULT, b"spi_")])
def test_scapy_reads_our_proposals(offer):
    association = oracle.IKEv2(message.encode(HEADER, (SecurityAssociation(offer),)))[oracle.IKEv2_SA]
    seen, layer = [], association.prop
    while isinstance(layer, oracle.IKEv2_Proposal):
        seen.append(Proposal(layer.proposal, layer.proto, bytes(layer.SPI), tuple(_transforms(layer))))
        assert layer.trans_nb == len(seen[-1].transforms)
        layer = layer.payload
    assert tuple(seen) == offer


def _transforms(layer):
    one = layer.trans
    while isinstance(one, oracle.IKEv2_Transform):
        bits = None if one.key_length is None else one.key_length & 0xFFFF
        yield Transform(one.transform_type, one.transform_id, bits)
        one = one.payload


def test_we_read_scapys_proposals():
    transforms = (
        oracle.IKEv2_Transform(next_payload=3, transform_type=1, transform_id=20, length=12, key_length=256)
        / oracle.IKEv2_Transform(next_payload=3, transform_type=2, transform_id=6)
        / oracle.IKEv2_Transform(next_payload=0, transform_type=4, transform_id=20)
    )
    theirs = oracle.IKEv2_SA(prop=oracle.IKEv2_Proposal(next_payload=0, trans_nb=3, trans=transforms))
    assert message.decode(packet(theirs, PayloadType.SA)).payloads == (SecurityAssociation(IKE_DEFAULT[:1]),)


def test_an_encrypted_payload_stands_where_scapy_and_rfc_5282_look_for_it():
    (datagram,) = seal_fragments(HEADER, (Nonce(PUBLIC[:32]),), BOXES[SUITES[0]], 5000, lambda _: b"explicit")
    seen = oracle.IKEv2(datagram)[oracle.IKEv2_Encrypted]
    assert seen.next_payload == PayloadType.NONCE
    iv, sealed = bytes(seen.load[:8]), bytes(seen.load[8:])
    assert iv == b"explicit"
    plaintext = AESGCM(b"\x5e" * 32).decrypt(b"\x5e" * 4 + iv, sealed, datagram[:32])
    assert plaintext == bytes((0, 0, 0, 36)) + PUBLIC[:32] + b"\x00"


def test_a_fragment_stands_where_scapy_and_rfc_7383_look_for_it():
    chain = (KeyExchange(20, bytes(700)),)
    datagrams = seal_fragments(HEADER, chain, BOXES[SUITES[0]], 576, lambda size: b"explicit"[:size])
    content = b""
    for number, datagram in enumerate(datagrams, 1):
        seen = oracle.IKEv2(datagram)[oracle.IKEv2_Encrypted_Fragment]
        assert (seen.frag_number, seen.frag_total) == (number, len(datagrams))
        assert seen.next_payload == (PayloadType.KE if number == 1 else 0)
        sealed = bytes(seen.load)
        content += AESGCM(b"\x5e" * 32).decrypt(b"\x5e" * 4 + sealed[:8], sealed[8:], datagram[:36])[:-1]
    assert message.decode(message.encode(HEADER, chain)).payloads == chain
    assert content == message.encode(HEADER, chain)[28:]


@given(octet.filter(lambda kind: kind not in oracle.IKEv2PayloadTypes), st.binary(max_size=60))
def test_a_payload_unknown_to_both_is_walked_over_by_both(kind, body):
    theirs = oracle.IKEv2_Payload(load=body)
    datagram = packet(theirs, kind)
    assert message.encode(HEADER, message.decode(datagram).payloads) == datagram
    assert not oracle.IKEv2(datagram).haslayer(Raw)
