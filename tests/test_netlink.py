"""Lists over netlink: a list that changed while it was told is never taken for a whole one."""

from collections.abc import Iterator

import pytest

from agent.probes import netlink
from agent.probes.netlink import HEADER, INTERRUPTED, MOST_TRIES, dump, split


def message(body: bytes, flags: int = 0) -> bytes:
    return HEADER.pack(HEADER.size + len(body), 0x10, flags, 1, 0) + body


def test_messages_of_a_datagram_are_split() -> None:
    assert list(split(message(b"abcd") + message(b"efgh"))) == [(0x10, b"abcd"), (0x10, b"efgh")]


def test_a_list_that_changed_while_it_was_told_is_no_list() -> None:
    with pytest.raises(InterruptedError):
        list(split(message(b"abcd") + message(b"efgh", INTERRUPTED)))


@pytest.mark.parametrize("changes", range(MOST_TRIES + 1))
def test_a_list_that_changes_is_asked_for_again_some_times(monkeypatch: pytest.MonkeyPatch, changes: int) -> None:
    told = [message(b"gone", INTERRUPTED)] * changes + [message(b"here")] * MOST_TRIES

    def ask(protocol: int, kind: int, question: bytes) -> Iterator[bytes]:
        return (body for _, body in split(told.pop(0)))

    monkeypatch.setattr(netlink, "_dump", ask)
    if changes < MOST_TRIES:
        assert list(dump(16, 0x10, b"")) == [b"here"]
    else:
        with pytest.raises(InterruptedError):
            dump(16, 0x10, b"")
