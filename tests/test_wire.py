"""The bounded reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike.errors import ConfigError, IkeError, MalformedError, PeerError, printable
from ike.registry import NotifyType, name_of
from ike.wire import Reader


def test_numbers_are_read_in_network_order():
    reader = Reader(bytes(range(1, 8)))
    assert (reader.u8(), reader.u16(), reader.u32()) == (1, 0x0203, 0x04050607)
    reader.end()


def test_reading_past_the_end_is_the_senders_mistake():
    reader = Reader(b"abc")
    with pytest.raises(MalformedError, match="4 bytes wanted where 3 are left"):
        reader.u32()


def test_a_failed_read_takes_nothing():
    reader = Reader(b"abc")
    with pytest.raises(MalformedError):
        reader.take(4)
    assert reader.rest() == b"abc"


def test_a_negative_size_never_moves_backwards():
    reader = Reader(b"abc")
    reader.take(2)
    with pytest.raises(MalformedError):
        reader.take(-1)
    with pytest.raises(MalformedError):
        reader.sub(-2)


def test_a_part_cannot_read_its_neighbours_bytes():
    reader = Reader(b"abcdef")
    part = reader.sub(2)
    assert part.rest() == b"ab"
    with pytest.raises(MalformedError):
        part.u8()
    assert reader.remaining == 4


def test_bytes_left_over_are_refused():
    reader = Reader(b"ab")
    reader.u8()
    with pytest.raises(MalformedError, match="1 bytes too many"):
        reader.end()


@given(st.binary(max_size=64), st.lists(st.integers(0, 20)))
def test_taking_in_pieces_gives_the_whole(data, sizes):
    reader, pieces = Reader(memoryview(data)), []
    for size in sizes:
        pieces.append(reader.take(min(size, reader.remaining)))
    assert b"".join([*pieces, reader.rest()]) == data
    assert reader.remaining == 0


def test_an_unknown_number_is_its_own_name():
    assert name_of(NotifyType, 14) == "NO_PROPOSAL_CHOSEN"
    assert name_of(NotifyType, 40960) == "40960"


def test_an_error_never_prints_what_could_steer_a_terminal():
    error = PeerError("vendor \x1b[2J\r\n\u202egnp.exe 名前")
    assert error.detail == r"vendor \x1b[2J\r\n\u202egnp.exe 名前"
    assert str(error).isprintable()


@given(st.binary())
def test_any_bytes_become_printable_text(data):
    assert printable(data).isprintable()


def test_an_error_knows_whose_side_it_is_and_what_to_answer():
    malformed = MalformedError("too short")
    assert isinstance(malformed, PeerError)
    assert isinstance(malformed, IkeError)
    assert (malformed.code, malformed.notify) == ("peer.malformed", NotifyType.INVALID_SYNTAX)
    assert ConfigError("no such suite", code="config.suite").code == "config.suite"
    assert not isinstance(ConfigError("no such suite"), PeerError)
