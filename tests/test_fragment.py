"""RFC 7383 fragments, cut and collected."""

import random
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike import message
from ike.crypto import IntegrityError
from ike.errors import ConfigError, MalformedError, PeerError
from ike.fragment import MAXIMUM_CONTENT, MAXIMUM_FRAGMENTS, Collector, seal_fragments
from ike.message import Header, Message
from ike.payloads import Certificate, Nonce
from ike.registry import ExchangeType, PayloadType
from ike.sealing import seal_fragment
from tests.ike_boxes import BOXES, SUITES, box_of, opened
from tests.ike_strategies import damaged, headers, payloads

AUTH = Header(b"initiatr", b"responde", ExchangeType.IKE_AUTH, 1, initiator=False, response=True)
CHAIN = (Certificate(4, bytes(range(256)) * 16), Nonce(bytes(16)))
WHOLE = Message(AUTH, CHAIN)
BOX = BOXES[SUITES[0]]


def counter():
    """Give IVs that never repeat."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size)


def cut(size=1232, box=BOX, header=AUTH, chain=CHAIN):
    return seal_fragments(header, chain, box, size, counter())


def collect(datagrams, box=BOX, collector=None):
    """Add datagrams in order; give the collector and the messages that became whole."""
    collector, whole = collector or Collector(), []
    for datagram in datagrams:
        collector, found = collector.add(datagram, box)
        whole += [found] if found else []
    return collector, whole


def piece(number, total, content=b"", header=AUTH, first=PayloadType.NONCE, box=BOX):
    return seal_fragment(header, first, (number, total), content, box, number.to_bytes(box.iv_size))


@pytest.mark.parametrize("suite", SUITES)
@given(header=headers, chain=st.lists(payloads, max_size=6).map(tuple), size=st.integers(160, 3000), seed=st.randoms())
def test_a_cut_message_fits_and_comes_back_whole_in_any_order(suite, header, chain, size, seed):
    box = BOXES[suite]
    try:
        datagrams = list(seal_fragments(header, chain, box, size, counter()))
    except ConfigError as error:
        assert error.code == "limit.reached"  # noqa: PT017
        return
    assert all(len(datagram) <= size for datagram in datagrams)
    seed.shuffle(datagrams)
    collector, whole = collect(datagrams, box)
    assert whole == [Message(header, chain)]
    assert collector == Collector()


def test_a_message_that_fits_is_not_cut():
    datagrams = cut(size=5000)
    assert len(datagrams) == 1
    assert opened(datagrams[0], BOX) == WHOLE
    exact = len(datagrams[0])
    assert len(cut(size=exact)) == 1
    assert len(cut(size=exact - 1)) == 2


@pytest.mark.parametrize("suite", SUITES)
def test_fragments_use_the_room_they_have(suite):
    box = BOXES[suite]
    datagrams = cut(box=box)
    assert len(datagrams) == 4
    assert all(1232 - 16 < len(datagram) <= 1232 for datagram in datagrams[:-1])


def test_only_the_first_fragment_names_the_first_payload():
    assert [datagram[28] for datagram in cut()] == [PayloadType.CERT, 0, 0, 0]
    assert {datagram[16] for datagram in cut()} == {PayloadType.SKF}


def test_every_fragment_has_its_own_iv():
    ivs = [datagram[36:44] for datagram in cut()]
    assert len(set(ivs)) == len(ivs)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("size", [-1, 0, 28, 60])
def test_a_size_without_room_is_our_own_mistake(suite, size):
    with pytest.raises(ConfigError, match="too few for a fragment"):
        cut(size=size, box=BOXES[suite])


def test_a_message_in_too_many_fragments_is_our_own_mistake():
    with pytest.raises(ConfigError) as caught:
        cut(size=160)
    assert caught.value.code == "limit.reached"


def test_fragments_survive_a_retransmission_that_brings_the_missing_one():
    first, second, third, fourth = cut()
    collector, whole = collect([fourth, second])
    assert not whole
    collector, whole = collect([first, second, third], collector=collector)
    assert whole == [WHOLE]


def test_repeated_fragments_cost_no_decryption():
    class Counting:
        iv_size, icv_size, pad, seal = BOX.iv_size, BOX.icv_size, BOX.pad, BOX.seal
        opened = 0

        def open(self, iv, aad, sealed):
            self.opened += 1
            return BOX.open(iv, aad, sealed)

    box, first = Counting(), cut()[0]
    collector, whole = collect([first] * 10_000, box)
    assert not whole
    assert box.opened == 1
    assert len(collector.pieces) == 1


def test_reversed_fragments_in_endless_repetition_stay_bounded():
    datagrams = cut()[:0:-1]  # the first one never comes
    collector, whole = collect(datagrams * 3_000)
    assert not whole
    assert sum(len(content) for _, content in collector.pieces) < 5_000


def test_a_bad_fragment_changes_nothing():
    first, second, third, fourth = cut()
    collector, _ = collect([first, second])
    forged = bytearray(third)
    forged[-1] ^= 1
    with pytest.raises(IntegrityError):
        collector.add(bytes(forged), BOX)
    assert collect([third, fourth], collector=collector)[1] == [WHOLE]


def test_a_fragment_under_another_key_is_refused():
    with pytest.raises(IntegrityError):
        Collector().add(cut()[0], box_of(SUITES[0], b"\x01"))


@pytest.mark.parametrize(("number", "total"), [(0, 4), (5, 4), (0, 0), (1, 0), (65_535, 4), (4, 3)])
def test_a_number_outside_the_total_is_refused(number, total):
    with pytest.raises(IntegrityError, match=f"fragment {number} of {total}"):
        Collector().add(piece(number, total), BOX)


@pytest.mark.parametrize("total", [MAXIMUM_FRAGMENTS + 1, 65_535])
def test_more_than_32_fragments_are_refused(total):
    with pytest.raises(PeerError) as caught:
        Collector().add(piece(1, total), BOX)
    assert caught.value.code == "limit.reached"


def test_more_than_64_kib_are_refused():
    collector, content = Collector(), bytes(MAXIMUM_CONTENT // 8)
    for number in range(1, 9):
        collector, _ = collector.add(piece(number, 10, content), BOX)
    with pytest.raises(PeerError) as caught:
        collector.add(piece(9, 10, b"x"), BOX)
    assert caught.value.code == "limit.reached"


def test_a_finer_cut_replaces_a_coarser_one():
    coarse, fine = cut(), cut(size=576)
    collector, _ = collect(coarse[:3])
    collector, whole = collect(fine, collector=collector)
    assert whole == [WHOLE]


def test_a_coarser_cut_is_ignored_once_a_finer_one_has_begun():
    coarse, fine = cut(), cut(size=576)
    begun, _ = collect(fine[:3])
    ignored, whole = collect(coarse, collector=begun)
    assert not whole
    assert ignored == begun
    assert collect(fine[3:], collector=ignored)[1] == [WHOLE]


def test_a_whole_message_ends_the_collection():
    collector, _ = collect(cut()[:2])
    assert collect(cut(size=5000), collector=collector) == (Collector(), [WHOLE])


def test_fragments_of_two_messages_never_mix():
    other = replace(AUTH, message_id=2)
    first, *_ = cut()
    _, *rest = cut(header=other)
    collector, whole = collect([first, *rest])
    assert not whole
    assert collector.header == other


def test_the_payloads_of_a_whole_that_is_nonsense_are_the_peers_mistake():
    collector, _ = Collector().add(piece(1, 2, b"\x00\x00"), BOX)
    with pytest.raises(MalformedError) as caught:
        collector.add(piece(2, 2, b"\x00\x03"), BOX)
    assert not isinstance(caught.value, IntegrityError)


def test_a_lone_fragment_is_a_whole_message():
    content = message.encode(AUTH, (CHAIN[1],))[28:]
    assert Collector().add(piece(1, 1, content), BOX) == (Collector(), Message(AUTH, (CHAIN[1],)))


@pytest.mark.parametrize("payload_count", [1, 64])
def test_payloads_in_front_of_a_fragment_are_refused(payload_count):
    fragment = cut()[0]
    front = b"".join(bytes((PayloadType.SKF if i == payload_count - 1 else 200, 0, 0, 4)) for i in range(payload_count))
    body = front + fragment[28:]
    datagram = fragment[:16] + b"\xc8" + fragment[17:24] + (28 + len(body)).to_bytes(4) + body
    with pytest.raises(IntegrityError):
        Collector().add(datagram, BOX)


@given(damaged(st.sampled_from(cut())) | st.binary(max_size=100))
def test_damaged_fragments_are_never_believed(datagram):
    if datagram in cut():
        return
    with pytest.raises(IntegrityError):
        Collector().add(datagram, BOX)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.binary(max_size=30)), max_size=20))
def test_any_authentic_fragments_leave_a_bounded_collector(parts):
    collector = Collector()
    for number, total, content in parts:
        with suppress(PeerError):
            collector, _ = collector.add(piece(number, total, content), BOX)
        assert len(collector.pieces) <= MAXIMUM_FRAGMENTS
        assert len(collector.pieces) < max(collector.total, 1)
        assert len(dict(collector.pieces)) == len(collector.pieces)


def test_ten_thousand_fragments_in_wild_order_are_handled():
    dice = random.Random(7383)
    pieces = [*cut(), *cut(size=576), *cut(size=900)]
    collector, whole = collect(dice.choices(pieces, k=10_000))
    assert all(one == WHOLE for one in whole)
    assert whole
    assert len(collector.pieces) <= MAXIMUM_FRAGMENTS


def test_collected_bytes_never_show_in_a_repr():
    collector, _ = collect(cut(chain=(Nonce(b"secret-secret-secret"), *CHAIN))[:1])
    assert "secret" not in repr(collector)
