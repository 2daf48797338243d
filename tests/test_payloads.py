"""Every payload, there and back, and what each refuses."""

from contextlib import suppress
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike.errors import MalformedError, PeerError
from ike.payloads import (
    KNOWN,
    Authentication,
    CfgValue,
    Configuration,
    Delete,
    IdInitiator,
    KeyExchange,
    Nonce,
    Notify,
    SecurityAssociation,
    TsInitiator,
    Unknown,
)
from ike.registry import CfgAttribute, PayloadType, ProtocolId
from ike.wire import Reader
from tests.ike_strategies import damaged, payloads


@given(payloads)
def test_a_payload_survives_writing_and_reading(payload):
    if isinstance(payload, Unknown):
        assert payload.encode() == payload.body
        return
    reader = Reader(payload.encode())
    assert type(payload).decode(reader) == payload
    reader.end()


@given(st.sampled_from(sorted(KNOWN)), st.binary(max_size=400))
def test_garbage_is_a_value_or_the_senders_mistake(kind, data):
    with suppress(PeerError):
        KNOWN[kind].decode(Reader(data))


@given(st.data())
def test_a_damaged_payload_is_a_value_or_the_senders_mistake(data):
    payload = data.draw(payloads.filter(lambda one: not isinstance(one, Unknown)))
    with suppress(PeerError):
        KNOWN[payload.type].decode(Reader(data.draw(damaged(st.just(payload.encode())))))


def test_each_known_type_has_its_class():
    sealed = {PayloadType.NONE, PayloadType.SK, PayloadType.SKF}
    assert set(KNOWN) == set(PayloadType) - sealed


@pytest.mark.parametrize("size", [0, 15, 257, 1000])
def test_a_nonce_outside_16_to_256_bytes_is_refused(size):
    with pytest.raises(MalformedError, match=f"a nonce of {size} bytes"):
        Nonce.decode(Reader(bytes(size)))


def test_reserved_bits_are_ignored():
    assert KeyExchange.decode(Reader(b"\x00\x13\xff\xffpublic")) == KeyExchange(19, b"public")
    assert Authentication.decode(Reader(b"\x0e\xff\xff\xffsigned")) == Authentication(14, b"signed")
    assert Configuration.decode(Reader(b"\x02\xff\xff\xff\x80\x01\x00\x00")).attributes == (CfgValue(1),)


def test_the_reserved_bytes_of_an_identity_survive_because_auth_covers_them():
    claim = IdInitiator.decode(Reader(b"\x02\x01\x02\x03gw.test"))
    assert claim.encode() == b"\x02\x01\x02\x03gw.test"
    assert claim.identity.describe() == "gw.test"


def test_an_identity_may_be_empty_or_fill_a_payload():
    for size in (0, 1, 65_527):
        claim = IdInitiator.decode(Reader(b"\x02\x00\x00\x00" + b"\n" * size))
        assert len(claim.data) == size
        assert claim.identity.describe().isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"\x01\x08\x00\x01" + bytes(8),  # an SPI for the IKE SA
        b"\x01\x00\x00\x01",  # a count without SPIs
        b"\x03\x00\xff\xff",  # 65,535 SPIs of no bytes
        b"\x07\x00\xff\xff",  # the same for a protocol nobody knows
        b"\x03\x04\x00\x02" + bytes(4),  # one SPI too few
        b"\x03\x04\x00\x01" + bytes(8),  # one too many
        b"\x03\x08\x00\x01" + bytes(8),  # wrong size
        b"\x03\x04",  # cut
    ],
)
def test_a_deletion_whose_sizes_do_not_fit_is_refused(body):
    with pytest.raises(MalformedError):
        Delete.decode(Reader(body))


def test_a_deletion_lists_its_spis():
    assert Delete.decode(Reader(b"\x03\x04\x00\x02aaaabbbb")) == Delete(ProtocolId.ESP, (b"aaaa", b"bbbb"))
    assert Delete(ProtocolId.IKE).encode() == b"\x01\x00\x00\x00"
    assert Delete(ProtocolId.ESP).encode() == b"\x03\x04\x00\x00"


@pytest.mark.parametrize(("protocol", "size"), [(3, 8), (2, 1), (1, 4), (0, 255), (9, 5)])
def test_a_notification_with_an_odd_spi_is_refused(protocol, size):
    with pytest.raises(MalformedError, match=f"an SPI of {size} bytes"):
        Notify.decode(Reader(bytes((protocol, size, 0, 14)) + bytes(size)))


def test_a_notification_of_an_unknown_type_is_kept():
    assert Notify.decode(Reader(b"\x00\x00\xa0\x00private")) == Notify(0xA000, b"private")


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x00\x00\x00",  # no selector
        b"\x02\x00\x00\x00" + b"\x07\x00\x00\x10\x00\x00\xff\xff" + bytes(8),  # two announced, one there
        b"\x01\x00\x00\x00" + b"\x07\x00\x00\x00\x00\x00\xff\xff" + bytes(8),  # length 0
        b"\x01\x00\x00\x00" + b"\x07\x00\x00\x0f\x00\x00\xff\xff" + bytes(8),  # length one short
        b"\x01\x00\x00\x00" + b"\x07\x00\x00\x11\x00\x00\xff\xff" + bytes(9),  # length one over
        b"\x01\x00\x00\x00" + b"\x08\x00\x00\x10\x00\x00\xff\xff" + bytes(8),  # IPv6 with IPv4's length
        b"\x01\x00\x00\x00" + b"\x07\x00\x00\x10\x00\x00\xff\xff\x0a\x00\x00\x02\x0a\x00\x00\x01",  # backwards
        b"\x01\x00\x00\x00" + b"\x07\x06\x00\x10\x00\x02\x00\x01" + bytes(8),  # ports backwards
    ],
)
def test_traffic_selectors_that_do_not_add_up_are_refused(body):
    with pytest.raises(MalformedError):
        TsInitiator.decode(Reader(body))


def test_255_traffic_selectors_are_read():
    one = b"\x07\x00\x00\x10\x00\x00\xff\xff" + bytes(8)
    assert len(TsInitiator.decode(Reader(b"\xff\x00\x00\x00" + one * 255)).selectors) == 255


def test_a_configuration_is_bounded():
    with pytest.raises(PeerError) as caught:
        Configuration.decode(Reader(bytes(4) + bytes(4) * 257))
    assert caught.value.code == "limit.reached"


def test_a_configuration_value_is_read_as_an_address():
    assert CfgValue(CfgAttribute.INTERNAL_IP4_DNS, bytes((10, 0, 0, 1))).ipv4() == IPv4Address("10.0.0.1")


@pytest.mark.parametrize("data", [b"", bytes(3), bytes(5), bytes(16)])
def test_an_address_of_another_length_is_refused(data):
    with pytest.raises(MalformedError):
        CfgValue(CfgAttribute.INTERNAL_IP4_ADDRESS, data).ipv4()


def test_a_huge_offer_is_refused_before_it_costs_anything():
    with pytest.raises(PeerError) as caught:
        SecurityAssociation.decode(Reader(bytes(65_531)))
    assert caught.value.code == "limit.reached"
