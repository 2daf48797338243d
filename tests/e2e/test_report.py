"""`sekisho report` as the doctor: what is seen is told without connecting, and while connected, and nothing changes."""

import signal
import stat
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import cast

import pytest

from tests.e2e.visit import Json, Visit
from tests.lab.unapproved import Unapproved

pytestmark = pytest.mark.lab
CHECKS = {"apps.unapproved", "apps.forbidden", "wifi.trust"}
REFUSED = 3


@dataclass(frozen=True)
class Reported:
    """A report as it was told, and its exit code."""

    code: int
    message: Json

    @property
    def findings(self) -> dict[str, Json]:
        """Give the findings that these tests are about; what else the lab's laptop lacks only warns."""
        told = {str(finding["code"]): finding for finding in cast(list[Json], self.message["findings"])}
        assert all(told[code]["response"] != "refuse" for code in told.keys() - CHECKS)
        return {code: told[code] for code in CHECKS}

    @property
    def outcomes(self) -> dict[str, object]:
        return {code: finding["outcome"] for code, finding in self.findings.items()}

    def seen(self, code: str) -> str:
        return cast(dict[str, str], self.findings[code]["seen"])["en"]


def report(visit: Visit) -> Reported:
    answer = visit.sekisho("report", "--json")
    (told,) = answer.lines
    assert told["message"] == "report", answer
    assert told["allowed"] is (answer.code == 0)
    return Reported(answer.code, told)


def test_a_clean_laptop_is_told_check_by_check_and_stays_as_it_is(running: Visit) -> None:
    assert report(running).code == 0
    before = running.endpoint.events_file.read_text()
    told = report(running)
    assert told.outcomes == dict.fromkeys(CHECKS, "pass")
    assert {(finding["grade"], finding["method"]) for finding in told.findings.values()} == {
        ("B", "procfs and packages"),
        ("B", "NetworkManager over D-Bus"),
    }
    assert all(0 <= cast(float, finding["age"]) < 5 for finding in told.findings.values())
    running.is_as_before()
    assert running.state() == "idle"
    assert running.endpoint.events_file.read_text() == before


def test_an_unapproved_program_is_told_with_its_remedy_and_refuses_as_connect_does(running: Visit) -> None:
    with Unapproved.start(running.scene.laptop) as stranger:
        told = report(running)
        assert (told.code, told.outcomes["apps.unapproved"]) == (REFUSED, "fail")
        assert stranger.path in told.seen("apps.unapproved")
        printed = running.sekisho("report")
        assert printed.code == REFUSED
        assert "[x] apps.unapproved: does not meet the policy - refused" in printed.output
        assert "What to do: Close it" in printed.output
        assert running.refused("apps.unapproved", REFUSED).seen == told.seen("apps.unapproved")
    assert report(running).code == 0


def test_open_wifi_is_told_in_the_doctors_language(running: Visit) -> None:
    running.scene.wifi.switch_to(running.scene.wifi.open_network("CafeFree"))
    assert report(running).outcomes == {"apps.unapproved": "pass", "apps.forbidden": "pass", "wifi.trust": "fail"}
    japanese = running.sekisho("report", "--language", "ja")
    assert japanese.code == REFUSED
    assert "[x] wifi.trust: ポリシーを満たさない - 接続拒否" in japanese.output
    assert "Wi-Fi「CafeFree」" in japanese.output


def test_a_helper_that_is_gone_leaves_unknown_what_it_would_have_seen_and_a_new_one_is_asked_again(
    visit: Visit,
) -> None:
    visit.start()
    visit.endpoint.stop_look(signal.SIGKILL)
    told = report(visit)
    assert told.code == REFUSED
    assert told.outcomes == {"apps.unapproved": "unknown", "apps.forbidden": "unknown", "wifi.trust": "pass"}
    assert told.findings["apps.unapproved"]["grade"] is None
    assert cast(Json, told.message["problem"])["code"] == "look.lost"
    assert visit.state() == "idle"
    visit.endpoint.start_look()
    assert report(visit).code == 0
    visit.connect()


def test_while_connected_the_report_tells_what_is_watched_and_cuts_nothing(running: Visit) -> None:
    running.connect()
    opened = running.endpoint.events_file.read_text()
    assert report(running).outcomes == dict.fromkeys(CHECKS, "pass")
    assert running.state() == "open"
    assert running.endpoint.events_file.read_text() == opened


def test_a_report_that_is_asked_for_while_connecting_does_not_change_who_is_watched(running: Visit) -> None:
    asking = [running.beside("report", "--json") for _ in range(3)]
    running.connect()
    assert [one.wait() for one in asking] == [0] * 3
    with Unapproved.start(running.scene.laptop):
        running.is_cut("apps.unapproved")


def test_a_program_that_is_named_like_a_script_is_text_in_a_page_that_only_the_doctor_can_read(running: Visit) -> None:
    laptop = running.scene.laptop
    with Unapproved.start(laptop, "<script>alert(1)"):
        answer = running.sekisho("report", "--html", "/home/doctor/report.html")
    assert answer.code == REFUSED
    page = laptop.file("/home/doctor/report.html")
    assert (stat.S_IMODE(page.stat().st_mode), page.stat().st_uid) == (0o600, laptop.uid)
    read = Elements()
    read.feed(page.read_text("utf-8"))
    assert "script" not in read.seen
    assert "&lt;script&gt;alert(1)" in page.read_text("utf-8")
    assert running.sekisho("report", "--html", "/home/doctor/report.html").code == 0
    page.unlink()


def test_what_is_collected_is_told_even_where_nothing_runs(visit: Visit) -> None:
    answer = visit.sekisho("report", "--what-is-collected")
    assert answer.code == 0
    assert "To anybody else: nothing." in answer.output
    assert visit.sekisho("report").code == 6


class Elements(HTMLParser):
    """Collects the names of a page's elements."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
