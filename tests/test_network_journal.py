"""The journal of inverses: it comes back as it was written, or it is put aside."""

import stat
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.network.dns import FileState, ResolverChange
from agent.network.errors import NetworkRefused
from agent.network.journal import Journal, decode, encode
from agent.network.plan import AddressChange, Change, LinkChange, LinkState, RouteChange, RuleChange

NUMBERS = st.integers(0, 2**32 - 1)
MAYBE = st.none() | NUMBERS
NETWORKS = st.builds(
    lambda a, p: ip_network((a, p), strict=False), st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 32)
) | st.builds(
    lambda a, p: ip_network((a, p), strict=False), st.integers(0, 2**128 - 1).map(IPv6Address), st.integers(0, 128)
)
LINKS = st.builds(LinkState, NUMBERS, NUMBERS, st.booleans())
FILES = st.builds(FileState, st.none() | st.binary(), st.none() | st.text(), NUMBERS, NUMBERS, NUMBERS)
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(Path)
CHANGES = st.one_of(
    st.builds(LinkChange, st.text(), NUMBERS, LINKS, LINKS),
    st.builds(AddressChange, st.booleans(), NUMBERS, NETWORKS.map(str).map(ip_interface)),
    st.builds(RouteChange, st.booleans(), NUMBERS, NETWORKS, MAYBE, st.none() | st.ip_addresses()),
    st.builds(RuleChange, st.booleans(), st.sampled_from((4, 6)), NUMBERS, st.none() | NETWORKS, MAYBE, MAYBE, MAYBE),
    st.builds(ResolverChange, PATHS, FILES, FILES),
)
FILE = ResolverChange(Path("/etc/resolv.conf"), FileState(b"ours"), FileState(b"\xfftheirs", None, 0o640, 1, 2))
ROUTE = RouteChange(False, 94, ip_network("10.50.0.0/24"), 7, IPv4Address("10.60.0.5"))


@given(CHANGES)
def test_every_change_comes_back_as_it_was_and_is_its_inverses_inverse(change: Change) -> None:
    assert decode(encode(change)) == change
    assert change.inverse().inverse() == change


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.dictionaries(st.sampled_from(["kind", "add", "index", "before", "after", "path"]), inner),
    )
)
def test_garbage_is_refused_as_garbage(line: object) -> None:
    if not isinstance(line, dict):
        return
    for kind in ("link", "address", "route", "rule", "resolver", line.get("kind")):
        with pytest.raises((ValueError, KeyError, TypeError)):
            decode({**line, "kind": kind})


def test_a_journal_is_read_by_root_alone_and_comes_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.leftover() is None
    journal.write([FILE, ROUTE])
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert journal.leftover() == (FILE, ROUTE)
    journal.clear()
    journal.clear()
    assert journal.leftover() is None


def test_of_another_boot_or_namespace_only_files_are_put_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write([FILE, ROUTE])
    head, rest = journal.path.read_text().split("\n", 1)
    journal.path.write_text(head.replace(":", ": ", 1).replace('"where": "', '"where": "elsewhere-') + "\n" + rest)
    assert journal.leftover() == (FILE,)


def test_a_torn_or_foreign_journal_is_refused_once_and_kept_beside(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write([FILE, ROUTE])
    whole = journal.path.read_bytes()
    for torn in (b"", b"\xff", b"[]\n[]\n", *(whole[:size] for size in range(0, len(whole) - 1, 37))):
        journal.path.write_bytes(torn)
        with pytest.raises(NetworkRefused, match=r"kept as journal\.unreadable"):
            journal.leftover()
        assert journal.leftover() is None
        assert (tmp_path / "journal.unreadable").read_bytes() == torn


def test_a_journal_never_follows_a_link_that_lies_in_its_way(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / ".journal.new").symlink_to(victim)
    (tmp_path / "journal").symlink_to(victim)
    Journal(tmp_path / "journal").write([ROUTE])
    assert victim.read_text() == "untouched"
    assert not (tmp_path / "journal").is_symlink()


def test_a_journal_without_its_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(NetworkRefused, match="No such file or directory"):
        Journal(tmp_path / "absent" / "journal").write([ROUTE])
