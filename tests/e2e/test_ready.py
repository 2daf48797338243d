"""`sekisho ready` as the doctor: what will refuse this laptop is told a day ahead, and nothing changes by asking."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tests.e2e.visit import Json, Visit
from tests.lab.pki import DEVICE_NAME
from tests.lab.unapproved import Unapproved

pytestmark = pytest.mark.lab
REFUSED = 3


def ready(visit: Visit) -> tuple[int, dict[str, str]]:
    """Ask, and give the exit code and what comes of each check."""
    answer = visit.sekisho("ready", "--json")
    (told,) = answer.lines
    assert told["message"] == "ready", answer
    assert told["ready"] is (answer.code == 0)
    return answer.code, {str(one["code"]): str(one["when"]) for one in cast(list[Json], told["coming"])}


def test_a_laptop_that_will_be_let_through_is_ready_and_stays_as_it_is(running: Visit) -> None:
    code, coming = ready(running)
    before = running.endpoint.events_file.read_text()
    assert (code, "soon" in coming.values(), "now" in coming.values()) == (0, False, False)
    assert running.sekisho("ready").output.startswith("Nothing was seen at ")
    assert running.endpoint.events_file.read_text() == before
    running.is_as_before()


def test_what_would_refuse_now_is_told_as_connect_tells_it(running: Visit) -> None:
    with Unapproved.start(running.scene.laptop) as stranger:
        code, coming = ready(running)
        assert (code, coming["apps.unapproved"]) == (REFUSED, "now")
        printed = running.sekisho("ready", "--language", "ja")
        assert "[x] apps.unapproved: いま接続を拒否" in printed.output
        assert stranger.path in printed.output
    assert ready(running)[0] == 0


def test_a_certificate_that_ends_tonight_is_told_and_then_warned_of_with_each_status(visit: Visit) -> None:
    visit.start(with_certificate(visit, timedelta(hours=10)) + "checks: {device.identity: {fail: refuse}}\n")
    code, coming = ready(visit)
    assert (code, coming["device.identity"]) == (REFUSED, "soon")
    assert "[!] device.identity: will refuse from " in visit.sekisho("ready").output
    visit.connect()
    status = visit.sekisho("status")
    assert status.code == 0
    assert "this will refuse the connection: This computer's certificate for 'hospital' ended on" in status.output


def test_a_grace_is_told_with_its_date_while_it_still_lets_through(visit: Visit) -> None:
    visit.start(visit.scene.policy + "checks: {apps.unapproved: {grace: 5d}}\n")
    with Unapproved.start(visit.scene.laptop):
        code, coming = ready(visit)
        assert (code, coming["apps.unapproved"]) == (0, "later")
        assert "[!] apps.unapproved: will refuse from 20" in visit.sekisho("ready").output


def with_certificate(visit: Visit, lasting: timedelta) -> str:
    """Write the policy with a device certificate of its own that ends so soon."""
    issued = visit.scene.papers.authority.issue(DEVICE_NAME, eku=("clientAuth",), not_after=datetime.now(UTC) + lasting)
    certificate, key = (visit.endpoint.folder / name for name in ("device.pem", "device.key"))
    certificate.write_bytes(issued.pem)
    key.touch(mode=0o600)
    key.write_bytes(issued.key_pem)
    policy = visit.scene.policy.replace(str(visit.scene.files.certificate), str(certificate))
    return policy.replace(str(visit.scene.files.key), str(key))
