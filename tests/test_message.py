"""Messages: header, chain, sealing."""

import random
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike import message
from ike.chain import MAXIMUM_PAYLOADS
from ike.crypto import IntegrityError
from ike.errors import ConfigError, MalformedError, PeerError
from ike.message import Header, Message
from ike.payloads import Certificate, Eap, KeyExchange, Nonce, Notify, Unknown, VendorId
from ike.registry import ExchangeType, NotifyType, PayloadType
from tests.ike_boxes import BOXES, SUITES, opened, sealed
from tests.ike_strategies import damaged, headers, octet, payloads

INIT = Header(b"initiatr", bytes(8), ExchangeType.IKE_SA_INIT, 0, initiator=True, response=False)
AUTH = Header(b"initiatr", b"responde", ExchangeType.IKE_AUTH, 1, initiator=True, response=False)
NONCE = Nonce(bytes(16))

chains = st.lists(payloads, max_size=6).map(tuple)


@given(headers, chains)
def test_a_clear_message_survives_writing_and_reading(header, chain):
    assert message.decode(message.encode(header, chain)) == Message(header, chain)


@pytest.mark.parametrize("suite", SUITES)
@given(header=headers, chain=chains)
def test_a_sealed_message_survives_writing_and_reading(suite, header, chain):
    box = BOXES[suite]
    datagram = sealed(header, chain, box)
    assert opened(datagram, box) == Message(header, chain)


@given(damaged(st.builds(message.encode, headers, chains)) | st.binary(max_size=200))
def test_a_damaged_clear_message_is_a_value_or_the_senders_mistake(datagram):
    with suppress(PeerError):
        message.decode(datagram)


@pytest.mark.parametrize("suite", SUITES)
@given(data=st.data())
def test_a_damaged_sealed_message_is_never_believed(suite, data):
    box = BOXES[suite]
    datagram = sealed(AUTH, data.draw(chains), box)
    other = data.draw(damaged(st.just(datagram)).filter(lambda one: one != datagram))
    with pytest.raises(IntegrityError):
        opened(other, box)


@pytest.mark.parametrize("suite", SUITES)
def test_no_single_bit_of_a_sealed_message_can_be_changed(suite):
    box = BOXES[suite]
    datagram = sealed(AUTH, (NONCE,), box)
    for place in range(len(datagram) * 8):
        forged = bytearray(datagram)
        forged[place // 8] ^= 1 << place % 8
        with pytest.raises(IntegrityError):
            opened(bytes(forged), box)


@pytest.mark.parametrize("suite", SUITES)
def test_no_sealed_message_can_be_shortened(suite):
    box = BOXES[suite]
    datagram = sealed(AUTH, (NONCE,), box)
    for size in range(len(datagram)):
        with pytest.raises(IntegrityError):
            opened(_sized(datagram[:size]), box)


@pytest.mark.parametrize("suite", SUITES)
@given(content=st.binary(max_size=300), first=octet)
def test_what_an_authentic_peer_says_may_still_be_nonsense(suite, content, first):
    box = BOXES[suite]
    datagram = _seal_raw(box, first, content)
    with suppress(MalformedError, PeerError):
        assert opened(datagram, box)


def test_nonsense_from_the_peer_itself_is_not_taken_for_a_forgery():
    box = BOXES[SUITES[0]]
    with pytest.raises(MalformedError) as caught:
        opened(_seal_raw(box, PayloadType.NONCE, b"\x00\x00\x00\x03"), box)
    assert not isinstance(caught.value, IntegrityError)
    assert caught.value.notify == NotifyType.INVALID_SYNTAX


def test_padding_longer_than_the_content_is_refused():
    box = BOXES[SUITES[0]]
    sealed_content = sealed(AUTH, (), box)
    aad = sealed_content[:32]
    with pytest.raises(MalformedError, match="padding"):
        opened(aad + bytes(8) + box.seal(bytes(8), aad, b"\x01"), box)


def test_a_sealed_message_may_carry_nothing():
    box = BOXES[SUITES[0]]
    probe = replace(AUTH, exchange=ExchangeType.INFORMATIONAL)
    assert opened(sealed(probe, (), box), box).payloads == ()


def test_a_payload_in_front_of_the_encrypted_one_is_refused():
    box = BOXES[SUITES[0]]
    inner = sealed(AUTH, (NONCE,), box)[28:]
    for count in (1, 64):
        clear = b"".join(bytes((PayloadType.SK if i == count - 1 else 200, 0, 0, 4)) for i in range(count))
        with pytest.raises(IntegrityError):
            opened(_frame(200, clear + inner), box)


def test_an_encrypted_payload_is_never_read_as_a_clear_one():
    box = BOXES[SUITES[0]]
    with pytest.raises(MalformedError, match="encrypted payload among others"):
        message.decode(sealed(AUTH, (NONCE,), box))


def test_an_encrypted_payload_inside_an_encrypted_payload_is_refused():
    box = BOXES[SUITES[0]]
    with pytest.raises(MalformedError, match="encrypted payload among others"):
        opened(_seal_raw(box, PayloadType.SK, b"\x00\x00\x00\x04"), box)


def test_a_header_is_read():
    datagram = message.encode(replace(INIT, response=True), (NONCE,))
    header = message.decode_header(datagram)
    assert header == replace(INIT, response=True)
    assert header.next_payload == PayloadType.NONCE
    assert datagram[17:20] == bytes((0x20, 34, 0x28))


def test_a_higher_minor_version_and_the_version_flag_are_understood():
    datagram = bytearray(message.encode(INIT, (NONCE,)))
    datagram[17], datagram[19] = 0x2F, 0x18
    header = message.decode_header(bytes(datagram))
    assert header == INIT


@pytest.mark.parametrize("version", [0x00, 0x10, 0x11, 0x1F])
def test_older_versions_are_not_spoken(version):
    datagram = bytearray(message.encode(INIT, (NONCE,)))
    datagram[17] = version
    with pytest.raises(MalformedError, match="not spoken here"):
        message.decode_header(bytes(datagram))


def test_a_newer_major_version_is_answered_by_name():
    datagram = bytearray(message.encode(INIT, (NONCE,)))
    datagram[17] = 0x30
    with pytest.raises(PeerError) as caught:
        message.decode_header(bytes(datagram))
    assert caught.value.notify == NotifyType.INVALID_MAJOR_VERSION


@pytest.mark.parametrize("extra", [-1, 1, 4, 2**31])
def test_the_length_field_is_the_datagrams_length(extra):
    datagram = bytearray(message.encode(INIT, (NONCE,)))
    datagram[24:28] = (len(datagram) + extra).to_bytes(4)
    with pytest.raises(MalformedError, match="the message says"):
        message.decode(bytes(datagram))


@pytest.mark.parametrize("size", range(28))
def test_a_datagram_shorter_than_a_header_is_refused(size):
    with pytest.raises(MalformedError):
        message.decode_header(message.encode(INIT, ())[:size])


def test_an_initiator_without_an_spi_is_refused():
    with pytest.raises(MalformedError, match="SPI is zero"):
        message.decode_header(message.encode(replace(INIT, spi_i=bytes(8)), ()))


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_payload_shorter_than_its_header_is_refused(length):
    with pytest.raises(MalformedError, match="shorter than its header"):
        message.decode(_frame(PayloadType.VENDOR_ID, bytes((0, 0, 0, length))))


@pytest.mark.parametrize("length", [5, 8, 65_535])
def test_a_payload_longer_than_its_message_is_refused(length):
    with pytest.raises(MalformedError, match="bytes wanted"):
        message.decode(_frame(PayloadType.VENDOR_ID, b"\x00\x00" + length.to_bytes(2)))


def test_bytes_behind_the_last_payload_are_refused():
    with pytest.raises(MalformedError, match="too many"):
        message.decode(_frame(PayloadType.VENDOR_ID, bytes((0, 0, 0, 4)) + b"more"))


def test_an_error_names_its_payload():
    with pytest.raises(MalformedError, match="NONCE payload: a nonce of 3 bytes"):
        message.decode(message.encode(INIT, (Nonce(b"abc"),)))


def test_an_unknown_payload_is_kept_and_an_unknown_critical_one_refuses_the_message():
    harmless, critical = Unknown(200, False, b"body"), Unknown(200, True, b"body")
    assert message.decode(message.encode(INIT, (harmless, NONCE))).payloads == (harmless, NONCE)
    with pytest.raises(PeerError) as caught:
        message.decode(message.encode(INIT, (NONCE, critical)))
    assert caught.value.notify == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD
    assert caught.value.notify_data == b"\xc8"


def test_the_critical_bit_of_a_known_payload_is_ignored():
    datagram = bytearray(message.encode(INIT, (NONCE,)))
    datagram[29] = 0xFF
    assert message.decode(bytes(datagram)).payloads == (NONCE,)


def test_a_message_holds_at_most_64_payloads():
    vendors = (VendorId(b""),) * MAXIMUM_PAYLOADS
    assert message.decode(message.encode(INIT, vendors)).payloads == vendors
    with pytest.raises(PeerError) as caught:
        message.decode(message.encode(INIT, (*vendors, VendorId(b""))))
    assert caught.value.code == "limit.reached"


def test_a_message_that_fits_no_datagram_is_our_own_mistake():
    with pytest.raises(ConfigError):
        message.encode(INIT, (KeyExchange(19, bytes(65_528)),))
    with pytest.raises(ConfigError):
        message.encode(INIT, (Certificate(4, bytes(40_000)),) * 2)


def test_pseudorandom_garbage_by_the_thousand_is_refused_quickly():
    dice = random.Random(7296)
    for _ in range(5000):
        body = dice.randbytes(dice.randrange(120))
        with suppress(PeerError):
            message.decode(_frame(dice.randrange(256), body))


def test_a_known_payload_pattern_reads_well():
    match message.decode(message.encode(INIT, (Notify(NotifyType.COOKIE, b"grain"), Eap(b"x")))).payloads:
        case (Notify(NotifyType.COOKIE, cookie), Eap()):
            assert cookie == b"grain"
        case other:
            pytest.fail(repr(other))


def _frame(first, body):
    header = message.encode(replace(INIT), ())
    return header[:16] + bytes((first,)) + header[17:24] + (28 + len(body)).to_bytes(4) + body


def _sized(datagram):
    if len(datagram) < 32:
        return datagram
    return (
        datagram[:24] + len(datagram).to_bytes(4) + datagram[28:30] + (len(datagram) - 28).to_bytes(2) + datagram[32:]
    )


def _seal_raw(box, first, content):
    size = 28 + 4 + box.iv_size + len(content) + box.pad(len(content)) + 1 + box.icv_size
    header = message.encode(AUTH, ())
    aad = header[:16] + bytes((PayloadType.SK,)) + header[17:24] + size.to_bytes(4)
    aad += bytes((first, 0)) + (size - 28).to_bytes(2)
    pad = box.pad(len(content))
    return aad + bytes(box.iv_size) + box.seal(bytes(box.iv_size), aad, content + bytes(pad) + bytes((pad,)))
