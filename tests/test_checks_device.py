"""The checks of the laptop itself: three outcomes, whose move it is, and nothing in the evidence but fixed words."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import Outcome
from agent.posture.checks.antimalware import Antivirus
from agent.posture.checks.boot import SecureStart
from agent.posture.checks.clock import ClockRight
from agent.posture.checks.encryption import Encryption
from agent.posture.checks.identity import Identity
from agent.posture.checks.lock import KeptOut
from agent.posture.checks.spans import tell_day, tell_span
from agent.posture.checks.usb import Allowed, UsbDisks
from agent.posture.facts import (
    Antimalware,
    Boot,
    Clock,
    Facts,
    Grade,
    Locking,
    Observed,
    Papers,
    Storage,
    Told,
    Unseen,
    UsbStorage,
)
from agent.posture.facts.device import Paper, RemovableDisk, Scanner, Seal, Volume
from agent.posture.verdict import Check, Finding, Who
from agent.words import HIDDEN_CATEGORIES, Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
DAY = 86_400.0
NOW = 1_800_000_000.0  # 15 January 2027
PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
IDENTITY = Identity(HELP, NOW, 9 * 3600.0, (30 * DAY, 14 * DAY, 3 * DAY))
CHECKS: dict[str, Check] = {
    "antimalware": Antivirus(HELP, 7 * DAY),
    "storage": Encryption(HELP),
    "locking": KeptOut(HELP, 900.0),
    "usb": UsbDisks(HELP),
    "clock": ClockRight(HELP, 5.0),
    "boot": SecureStart(HELP),
    "papers": IDENTITY,
}


def seen(**facts: object) -> Facts:
    return Facts(**{name: Observed(value, Grade.ROOT, "test", 1.0) for name, value in facts.items()})


def told(finding: Finding) -> tuple[Outcome, Who, tuple[str, ...]]:
    return finding.outcome, finding.who, finding.evidence.marks


@pytest.mark.parametrize("name", CHECKS)
def test_a_fact_that_nobody_saw_is_unknown_and_never_a_pass(name: str):
    check, unseen = CHECKS[name], Unseen("the disk \x1b[31mbroke", 1.0)
    facts = replace(Facts(), **{name: unseen})
    assert check.needs(facts) is unseen
    finding = check.judge(facts)
    assert (finding.check, finding.outcome, finding.who) == (check.check, UNKNOWN, Who.HELP_DESK)
    assert "the disk \\u001b[31mbroke" in finding.seen.en
    assert "the help desk (1234)" in finding.remedy.en


CLAMAV = Scanner("ClamAV", True, 2 * DAY, Told.NO)


def antivirus(*scanners: Scanner, on_access: bool = False) -> Finding:
    return Antivirus(HELP, 7 * DAY, on_access).judge(seen(antimalware=Antimalware(scanners)))


def test_an_antivirus_program_with_fresh_signatures_passes():
    finding = antivirus(CLAMAV)
    assert told(finding) == (PASS, Who.YOU, ())
    assert finding.seen.en == "The antivirus program 'ClamAV' is running, and its signatures are 2 days old."


@pytest.mark.parametrize(
    ("scanner", "on_access", "wanted"),
    [
        (replace(CLAMAV, running=False), False, (FAIL, Who.YOU, ("not-running",))),
        (replace(CLAMAV, signatures_age=7 * DAY + 1), False, (FAIL, Who.YOU, ("old-signatures",))),
        (replace(CLAMAV, signatures_age=7 * DAY), False, (PASS, Who.YOU, ())),
        (replace(CLAMAV, signatures_age=None), False, (UNKNOWN, Who.HELP_DESK, ("age-untold",))),
        (CLAMAV, True, (FAIL, Who.IT, ("on-access",))),
        (replace(CLAMAV, on_access=Told.UNTOLD), True, (UNKNOWN, Who.IT, ("on-access",))),
        (replace(CLAMAV, on_access=Told.YES), True, (PASS, Who.YOU, ())),
    ],
)
def test_an_antivirus_program_must_run_and_be_fresh(scanner: Scanner, on_access: bool, wanted):
    assert told(antivirus(scanner, on_access=on_access)) == wanted


def test_one_good_antivirus_program_is_enough_and_none_is_named():
    stopped, old = replace(CLAMAV, title="A", running=False), replace(CLAMAV, title="B", signatures_age=90 * DAY)
    assert antivirus(stopped, old, CLAMAV).outcome is PASS
    assert "'B' are 90 days old; 7 days is the most" in antivirus(stopped, old).seen.en
    assert "the hospital asks for 'A'" in antivirus(stopped).seen.en
    assert antivirus().outcome is UNKNOWN


def encryption(*volumes: Volume, system: bool = True) -> Finding:
    return Encryption(HELP, system).judge(seen(storage=Storage(volumes)))


SEALED = Volume("/", Seal.LUKS, ("ext4", "dm-0"))


@pytest.mark.parametrize("seal", [Seal.LUKS, Seal.DM_CRYPT, Seal.FSCRYPT, Seal.ZFS, Seal.MEMORY])
def test_every_seal_is_enough(seal: Seal):
    assert told(encryption(SEALED, Volume("swap", seal))) == (PASS, Who.YOU, ())


def test_a_place_without_a_seal_fails_and_is_named_in_plain_words():
    finding = encryption(Volume("/", Seal.UNTOLD, (), "x"), Volume("swap", Seal.NONE), Volume("/srv/v", Seal.NONE))
    assert told(finding) == (FAIL, Who.IT, ("folder", "swap"))
    assert "memory that is moved to the disk (swap), the folder '/srv/v'" in finding.seen.en
    assert "スワップ領域(メモリーの退避先)、フォルダー「/srv/v」" in finding.seen.ja


def test_a_place_that_could_not_be_followed_is_unknown_and_says_why():
    finding = encryption(SEALED, Volume("home", Seal.UNTOLD, ("nfs",), "it lies on another computer"))
    assert told(finding) == (UNKNOWN, Who.HELP_DESK, ("home",))
    assert "(it lies on another computer): your home folder." in finding.seen.en


def test_where_only_homes_are_sealed_the_system_can_be_spared_but_never_the_swap():
    volumes = [Volume(place, Seal.NONE) for place in ("/", "/home", "/var/tmp")]
    home = Volume("home", Seal.FSCRYPT)
    assert encryption(*volumes, home).outcome is FAIL
    assert encryption(*volumes, home, system=False).outcome is PASS
    assert encryption(*volumes, home, Volume("swap", Seal.NONE), system=False).evidence.marks == ("swap",)
    assert encryption(*volumes, system=False).outcome is UNKNOWN


def lock(after: float | None, locks: Told = Told.YES, login: tuple[str, ...] = (), empty: tuple[str, ...] = ()):
    return KeptOut(HELP, 900.0).judge(seen(locking=Locking(locks, after, login, empty)))


@pytest.mark.parametrize(
    ("finding", "wanted"),
    [
        (lock(900.0), (PASS, Who.YOU, ())),
        (lock(901.0), (FAIL, Who.YOU, ("locks-late",))),
        (lock(None, Told.NO), (FAIL, Who.YOU, ("never-locks",))),
        (lock(None, Told.UNTOLD), (UNKNOWN, Who.YOU, ())),
        (lock(60.0, login=("sato",)), (FAIL, Who.YOU, ("auto-login",))),
        (lock(60.0, login=("",)), (FAIL, Who.IT, ("auto-login",))),
        (lock(None, Told.NO, ("",), ("", "sato")), (FAIL, Who.YOU, ("empty-password", "auto-login", "never-locks"))),
    ],
)
def test_the_screen_must_lock_and_every_account_must_need_a_password(finding: Finding, wanted):
    assert told(finding) == wanted


def test_what_is_open_at_once_is_told_first_and_other_peoples_accounts_are_not_named():
    assert lock(None, Told.NO, ("",), ("sato",)).seen == Words(
        "On this computer the account 'sato' can be used without a password.",
        "このパソコンでは、アカウント「sato」をパスワードなしで使用できます。",
    )
    assert "it opens another account without asking" in lock(60.0, login=("",)).seen.en
    assert "after 15 minutes at most" in lock(None, Told.NO).remedy.en


STICK = RemovableDisk("sdb", mounted=True, writable=True, sealed=Told.NO)


def usb(storage: Allowed, *disks: RemovableDisk, barred: Told = Told.NO) -> tuple[Outcome, Who, tuple[str, ...]]:
    return told(UsbDisks(HELP, storage).judge(seen(usb=UsbStorage(barred, disks))))


@pytest.mark.parametrize(
    ("disks", "wanted"),
    [
        ((), (PASS, Who.YOU, ())),
        ((STICK,), (FAIL, Who.YOU, ("unsealed-disk",))),
        ((replace(STICK, sealed=Told.YES),), (PASS, Who.YOU, ())),
        ((replace(STICK, sealed=Told.UNTOLD),), (UNKNOWN, Who.YOU, ())),
        ((replace(STICK, writable=False),), (PASS, Who.YOU, ())),
        ((replace(STICK, mounted=False, sealed=Told.UNTOLD),), (PASS, Who.YOU, ())),
    ],
)
def test_what_can_be_written_to_must_be_encrypted(disks: tuple[RemovableDisk, ...], wanted):
    assert usb(Allowed.SEALED, *disks) == wanted
    assert usb(Allowed.ALLOW, *disks)[0] is PASS


def test_where_disks_are_forbidden_none_may_be_there_and_none_may_work():
    assert usb(Allowed.FORBID, replace(STICK, mounted=False), barred=Told.YES) == (FAIL, Who.YOU, ("disk",))
    assert usb(Allowed.FORBID, barred=Told.YES) == (PASS, Who.YOU, ())
    assert usb(Allowed.FORBID, barred=Told.NO) == (FAIL, Who.IT, ("not-barred",))
    assert usb(Allowed.FORBID, barred=Told.UNTOLD) == (UNKNOWN, Who.IT, ())


@pytest.mark.parametrize(
    ("clock", "wanted"),
    [
        (Clock(Told.YES, 5.0), (PASS, Who.YOU, ())),
        (Clock(Told.YES, 5.1), (FAIL, Who.YOU, ("far-off",))),
        (Clock(Told.YES, None), (UNKNOWN, Who.HELP_DESK, ())),
        (Clock(Told.UNTOLD, 0.2), (PASS, Who.YOU, ())),
        (Clock(Told.NO, 0.2), (FAIL, Who.YOU, ("not-synchronised",))),
    ],
)
def test_the_clock_must_be_kept_right(clock: Clock, wanted):
    assert told(ClockRight(HELP, 5.0).judge(seen(clock=clock))) == wanted


def test_a_clock_of_which_nobody_knows_whether_it_follows_a_source_is_not_said_to():
    assert ClockRight(HELP, 5.0).judge(seen(clock=Clock(Told.UNTOLD, 0.2))).seen == Words(
        "The clock is off by 1 second at most, as the system counts it.",
        "システムの計算では、時計のずれは最大1秒です。",
    )


@pytest.mark.parametrize("finding", [antivirus(), encryption(), IDENTITY.judge(seen(papers=Papers(())))])
def test_a_check_that_was_given_nothing_says_so_in_each_language(finding: Finding):
    assert finding.outcome is UNKNOWN
    assert not any(letter.isascii() and letter.isalpha() for letter in finding.seen.ja)


@pytest.mark.parametrize(
    ("secure", "wanted"),
    [
        (Told.YES, (PASS, Who.YOU, ())),
        (Told.NO, (FAIL, Who.IT, ("secure-boot-off",))),
        (Told.UNTOLD, (UNKNOWN, Who.IT, ("secure-boot-untold",))),
    ],
)
def test_secure_boot_must_be_on_and_an_old_computer_is_said_to_be_one(secure: Told, wanted):
    finding = SecureStart(HELP).judge(seen(boot=Boot(secure, "", tpm=False)))
    assert told(finding) == wanted
    assert ("cannot be checked" in finding.seen.en) is (secure is Told.UNTOLD)


def paper(days: float, site: str = "main", ours: Told = Told.YES, begins: float = -DAY) -> Paper:
    return Paper(site, NOW + begins, NOW + days * DAY, ours, "it is torn" if ours is Told.UNTOLD else "")


def identity(*papers: Paper) -> Finding:
    return IDENTITY.judge(seen(papers=Papers(papers)))


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (paper(31), (PASS, Who.YOU, ())),
        (paper(30), (PASS, Who.IT, ("ends-30d",))),
        (paper(14), (PASS, Who.IT, ("ends-14d",))),
        (paper(2), (PASS, Who.IT, ("ends-3d",))),
        (paper(0), (FAIL, Who.IT, ("ended",))),
        (paper(31, begins=60.0), (FAIL, Who.YOU, ("not-yet",))),
        (paper(31, ours=Told.NO), (FAIL, Who.IT, ("not-ours",))),
        (paper(31, ours=Told.UNTOLD), (UNKNOWN, Who.IT, ("untold",))),
    ],
)
def test_a_certificate_passes_until_it_ends_and_each_step_before_is_news(one: Paper, wanted):
    assert told(identity(one)) == wanted


def test_the_end_of_a_certificate_is_told_as_a_day_and_as_an_instant():
    finding = identity(paper(20))
    assert finding.seen == Words(
        "This computer's certificate for 'main' holds until 4 February 2027.",
        "接続先「main」用の端末証明書は2027年2月4日まで有効です。",
    )
    assert finding.until == NOW + 20 * DAY
    assert "in the coming days" in finding.remedy.en
    assert "now: this computer needs a new certificate" in identity(paper(1)).remedy.en
    assert identity(paper(-5)).until is None


def test_the_worst_certificate_counts_and_of_equals_the_one_that_ends_first():
    assert identity(paper(300, "b"), paper(40, "a")).until == NOW + 40 * DAY
    assert identity(paper(2, "a"), paper(300, "b", Told.UNTOLD)).outcome is UNKNOWN
    assert identity(paper(300, "a", Told.UNTOLD), paper(-1, "b")).outcome is FAIL
    assert identity().outcome is UNKNOWN


@pytest.mark.parametrize(
    ("seconds", "en", "ja"),
    [
        (0.0, "1 second", "1秒"),
        (1.0, "1 second", "1秒"),
        (119.0, "119 seconds", "119秒"),
        (900.0, "15 minutes", "15分"),
        (7_199.0, "119 minutes", "119分"),
        (86_400.0, "24 hours", "24時間"),
        (172_800.0, "2 days", "2日"),
    ],
)
def test_spans_are_told_in_units_that_people_use(seconds: float, en: str, ja: str):
    assert tell_span(seconds) == Words(en, ja)


def test_a_day_is_that_of_local_time():
    assert tell_day(NOW, 0.0).en == "15 January 2027"
    assert tell_day(NOW + 15 * 3_600, 9 * 3_600.0).ja == "2027年1月16日"


@given(st.floats(allow_nan=False), st.floats(-DAY, DAY))
def test_any_instant_has_a_day(instant: float, ahead: float):
    assert tell_day(instant, ahead).ja.endswith("日")


NAMES = st.text(max_size=300)


@given(NAMES, st.lists(NAMES, max_size=6), st.sampled_from(Told), st.sampled_from(Allowed))
def test_names_from_outside_stay_out_of_the_evidence_and_cannot_steer_a_screen(name, names, answer, allowed):
    hidden = "secret-name"
    facts = seen(
        antimalware=Antimalware(tuple(Scanner(each + hidden, answer is Told.YES, None, answer) for each in names)),
        storage=Storage((Volume(hidden, Seal.UNTOLD, (), name), *(Volume(each, Seal.UNTOLD) for each in names))),
        locking=Locking(answer, None, (hidden, *names), tuple(names)),
        usb=UsbStorage(answer, tuple(RemovableDisk(each + hidden, True, True, answer) for each in names)),
        clock=Clock(answer, None),
        boot=Boot(answer, name, tpm=False),
        papers=Papers(tuple(Paper(each + hidden, 0.0, 0.0, answer, name) for each in names)),
    )
    for check in (*CHECKS.values(), UsbDisks(HELP, allowed)):
        finding = check.judge(facts)
        for said in (finding.sentence.en, finding.sentence.ja):
            assert not {unicodedata.category(character) for character in said} & HIDDEN_CATEGORIES
        assert hidden not in events.line(events.Refused("main", 1000, (finding.result,)), 0.0, 0)
