"""Updates: what the installed system lacks, and what is said of it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.checks.updates import UpToDate
from agent.posture.facts import Facts, Grade, Observed, Unseen, Updates
from agent.posture.verdict import Finding, Outcome, Who
from agent.probes.updates import SUPPORT_ENDS, find_end, look_at_updates, read_os_release
from agent.words import Words
from tests.test_packages import stanza, write
from tests.test_packages_origins import DATE, DAY, MADE, offered, write_list

SECURITY = f"Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nDate: {DATE}\n"
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
END_OF_12 = 1_846_022_399.0


def machine(root: Path, *installed: str, system: str = DEBIAN) -> Path:
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text(system)
    if installed:
        write(root, {}, "".join(installed))
    return root


def look(root: Path, now: float = MADE + DAY) -> Updates:
    seen = look_at_updates(root, lambda: 7.0, lambda: now)
    assert isinstance(seen, Observed)
    assert (seen.at, seen.grade) == (7.0, Grade.ROOT)
    return seen.value


def test_a_security_update_waits_when_its_source_has_a_newer_version(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "2.0-1"), stanza("libx", "1.0-2"), stanza("own", "1"))
    write_list(tmp_path, offered("viewer", "2.0-1+deb12u1") + offered("libx", "1.0-2"), release=SECURITY)
    assert look(tmp_path) == Updates("Debian GNU/Linux 12 (bookworm)", END_OF_12, ("viewer",), DAY)


@pytest.mark.parametrize(
    ("version", "architecture", "waits"),
    [("2.0-2", "amd64", True), ("2.0-2", "all", True), ("2.0-2", "i386", False), ("2.0-1~deb12u1", "amd64", False)],
)
def test_only_a_newer_version_for_the_same_machine_waits(
    tmp_path: Path, version: str, architecture: str, waits: bool
) -> None:
    machine(tmp_path, stanza("viewer", "2.0-1"))
    write_list(tmp_path, offered(version=version, architecture=architecture), release=SECURITY)
    assert look(tmp_path).pending == (("viewer",) if waits else ())


def test_what_other_sources_offer_is_no_security_update(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "2.0-1"))
    write_list(tmp_path, offered(version="3"), "host_dists_stable")
    write_list(tmp_path, "", "host_dists_security", release=SECURITY)
    assert look(tmp_path).pending == ()


def test_a_removed_package_lacks_nothing(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "1", "deinstall ok config-files"), stanza("other", "1"))
    write_list(tmp_path, offered(), release=SECURITY)
    assert look(tmp_path).pending == ()


def test_without_a_list_of_security_updates_nothing_is_told_of_them(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "1"))
    write_list(tmp_path, offered())
    seen = look(tmp_path)
    assert (seen.pending, seen.lists_age, seen.why) == (None, None, "no list of security updates was found")


def test_a_damaged_list_tells_what_it_could_and_that_there_may_be_more(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "1"))
    write_list(tmp_path, "", packing=".gz", release=SECURITY).write_bytes(b"garbage")
    seen = look(tmp_path)
    assert (seen.pending, seen.why) == (None, "a list of security updates cannot be read")
    write_list(tmp_path, offered(), "host_dists_other", release=SECURITY)
    assert look(tmp_path).pending == ("viewer",)


def test_a_system_of_another_package_manager_tells_its_release_only(tmp_path: Path) -> None:
    machine(tmp_path, system="ID=fedora\nVERSION_ID=43\nSUPPORT_END=2026-12-02\nPRETTY_NAME='Fedora Linux 43'\n")
    seen = look(tmp_path)
    assert (seen.release, seen.supported_until, seen.pending) == ("Fedora Linux 43", 1_796_255_999.0, None)
    assert seen.why == "what the sources of this system offer cannot be read"


def test_a_system_that_does_not_say_what_it_is_is_unseen(tmp_path: Path) -> None:
    seen = look_at_updates(tmp_path, lambda: 7.0, lambda: MADE)
    assert seen == Unseen("the file os-release, which names the system, cannot be read", 7.0)


def test_the_oldest_security_source_counts(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "1"))
    write_list(tmp_path, "", "a_security", release=SECURITY)
    write_list(tmp_path, "", "b_security", release=SECURITY.replace("21 Nov", "11 Nov"))
    assert look(tmp_path).lists_age == 11 * DAY


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("VERSION_CODENAME=bookworm", ((), DAY, "")),
        ("VERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble", ((), 11 * DAY, "")),
        ("VERSION_CODENAME=trixie", (None, None, "no list of security updates was found")),
    ],
)
def test_only_the_security_source_of_this_very_release_is_news_of_it(
    tmp_path: Path, names: str, told: tuple[tuple[str, ...] | None, float | None, str]
) -> None:
    machine(tmp_path, stanza("viewer", "2.0-1"), system=f"{DEBIAN}{names}\n")
    write_list(tmp_path, offered(), "a_security", release=f"{SECURITY}Codename: bookworm-security\n")
    noble = f"Origin: Ubuntu\nSuite: noble-security\nCodename: noble\nDate: {DATE}\n".replace("21 Nov", "11 Nov")
    write_list(tmp_path, offered(), "b_security", release=noble)
    seen = look(tmp_path)
    assert (seen.pending, seen.lists_age, seen.why) == told


def test_what_waits_from_any_security_source_is_told(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "1"), system=f"{DEBIAN}VERSION_CODENAME=trixie\n")
    write_list(tmp_path, offered(), release=SECURITY)
    assert look(tmp_path).pending == ("viewer",)


def test_lists_from_the_future_have_no_age(tmp_path: Path) -> None:
    machine(tmp_path, stanza("viewer", "1"))
    write_list(tmp_path, "", release=SECURITY)
    assert look(tmp_path, MADE - 3_600).lists_age == 0.0
    assert look(tmp_path, MADE - 2 * DAY).lists_age is None


def test_a_restart_that_is_asked_for_is_seen(tmp_path: Path) -> None:
    machine(tmp_path)
    assert not look(tmp_path).reboot_wanted
    (tmp_path / "run").mkdir()
    (tmp_path / "run/reboot-required").touch()
    assert look(tmp_path).reboot_wanted


@pytest.mark.parametrize(
    ("system", "end"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, END_OF_12),
        ({"ID": "debian", "VERSION_ID": "12", "SUPPORT_END": "1970-01-01"}, 86_399.0),
        ({"ID": "debian"}, None),
        ({"ID": "arch", "VERSION_ID": "12"}, None),
        ({"SUPPORT_END": "soon"}, None),
        ({"SUPPORT_END": "2026-13-45"}, None),
        ({"SUPPORT_END": "0000-00-00"}, None),
    ],
)
def test_when_support_ends_is_said_by_the_system_before_our_own_table(
    system: dict[str, str], end: float | None
) -> None:
    assert find_end(system) == end


def test_every_day_of_our_table_is_one() -> None:
    assert all(find_end({"ID": name, "VERSION_ID": version}) for name, version in SUPPORT_ENDS)


@given(st.binary(max_size=300))
def test_any_os_release_is_read(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "etc").mkdir()
    (root / "etc/os-release").write_bytes(b"SUPPORT_END=" + raw)
    find_end(read_os_release(root))


HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
GOOD = Updates("Debian 12", MADE + 400 * DAY, (), DAY)


def judged(updates: Updates | Unseen) -> Finding:
    fact = updates if isinstance(updates, Unseen) else Observed(updates, Grade.ROOT, "test", 1.0)
    finding = UpToDate(HELP, MADE, 9 * 3600.0, 7 * DAY).judge(Facts(updates=fact))
    for said in (finding.sentence.en, finding.sentence.ja):
        assert not re.search(r"[{}]", said)
    return finding


def but(**changed: object) -> Updates:
    return Updates(**{**{name: getattr(GOOD, name) for name in Updates.__slots__}, **changed})


def test_a_system_that_lacks_nothing_passes_until_its_support_ends() -> None:
    finding = judged(GOOD)
    assert (finding.outcome, finding.until) == (Outcome.PASS, MADE + 400 * DAY)
    assert finding.seen.en == "No security update was seen waiting, by news of updates that is 24 hours old."


@pytest.mark.parametrize(
    ("updates", "outcome", "who", "mark"),
    [
        (but(supported_until=MADE - 1), Outcome.FAIL, Who.IT, "release-ended"),
        (but(pending=("openssl",)), Outcome.FAIL, Who.YOU, "pending"),
        (but(pending=("openssl",), lists_age=90 * DAY), Outcome.FAIL, Who.YOU, "pending"),
        (but(pending=None, why="no list"), Outcome.UNKNOWN, Who.IT, "lists-unread"),
        (but(why="a list cannot be read"), Outcome.UNKNOWN, Who.IT, "lists-unread"),
        (but(lists_age=None), Outcome.UNKNOWN, Who.YOU, "lists-undated"),
        (but(lists_age=7 * DAY + 1), Outcome.UNKNOWN, Who.YOU, "lists-old"),
        (but(supported_until=None), Outcome.UNKNOWN, Who.IT, "release-unknown"),
        (but(reboot_wanted=True), Outcome.PASS, Who.YOU, "restart-wanted"),
    ],
)
def test_each_lack_has_its_outcome_its_mark_and_whose_move_it_is(
    updates: Updates, outcome: Outcome, who: Who, mark: str
) -> None:
    finding = judged(updates)
    assert (finding.outcome, finding.who, finding.evidence.marks) == (outcome, who, (mark,))


def test_three_waiting_packages_are_named_and_the_rest_counted() -> None:
    finding = judged(but(pending=("a", "b", "c", "d")))
    assert finding.seen == Words(
        "Security updates are waiting to be installed (4): 'a', 'b', 'c' and 1 more.",
        "インストールされていないセキュリティ更新が4件あります:「a」「b」「c」ほか1件。",
    )


def test_a_failed_look_is_unknown_and_says_why() -> None:
    finding = judged(Unseen("no os-release", 1.0))
    assert finding.outcome is Outcome.UNKNOWN
    assert "no os-release" in finding.seen.en


@given(st.text(max_size=60))
def test_no_name_of_a_release_breaks_the_sentence(name: str) -> None:
    finding = UpToDate(HELP, MADE, 0.0, DAY).judge(
        Facts(updates=Observed(but(release=name, supported_until=0.0), Grade.ROOT, "test", 1.0))
    )
    assert "\n" not in finding.sentence.ja
