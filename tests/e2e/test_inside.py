"""The laptop on the hospital's own network: known by a beacon's certificate, the same checks, and no tunnel."""

from collections.abc import Iterator

import pytest

from tests.e2e.visit import Visit
from tests.lab.beacon import ADDRESS, PORT, Beacon
from tests.lab.capture import Capture, Sort, tally
from tests.lab.namespaces import PACS
from tests.lab.unapproved import Unapproved

pytestmark = pytest.mark.lab
REFUSED = 3


@pytest.fixture
def beacon(visit: Visit) -> Iterator[Beacon]:
    """Start a beacon that is not on the laptop's network yet."""
    scene = visit.scene
    started = Beacon.start(scene.run, scene.town, scene.papers, f"beacon-{visit.endpoint.folder.name}")
    yield started
    started.stop()


def naming(visit: Visit, sha256: str, more: str = "") -> str:
    """Write the hospital's policy with a beacon of its site."""
    inside = f"\n    inside: {{beacon: {ADDRESS}, port: {PORT}, certificate: {sha256}}}{more}\napps:"
    return visit.scene.policy.replace("\napps:", inside, 1)


def test_inside_no_tunnel_is_opened_the_same_checks_refuse_and_leaving_ends_it(visit: Visit, beacon: Beacon) -> None:
    capture = Capture.start(visit.scene.run, visit.scene.town.router)
    beacon.stand()
    visit.start(naming(visit, beacon.sha256))
    answer = visit.sekisho("connect", "--json")
    assert answer.code == 0, answer
    told = visit.endpoint.status()
    assert (told["state"], told["tunnel"]) == ("inside", None)
    visit.is_as_before()
    with Unapproved.start(visit.scene.laptop):
        visit.endpoint.wait_for_state("refused", 20)
        visit.refused("apps.unapproved", REFUSED)
    assert visit.sekisho("connect").code == 0
    beacon.leave()
    visit.endpoint.wait_for_state("idle", 20)
    visit.is_as_before()
    seen = tally(capture.stop())
    assert (seen[Sort.IKE], seen[Sort.NAT_TRAVERSAL]) == (0, 0)
    names = [event["event"] for event in visit.endpoint.events()]
    assert [name for name in names if name in ("entered", "left", "opened")] == ["entered", "entered", "left"]


def test_a_beacon_with_another_certificate_is_not_believed(visit: Visit, beacon: Beacon) -> None:
    beacon.stand()
    visit.start(naming(visit, "ab" * 32))
    assert visit.connect()["state"] == "open"
    assert beacon.asked > 0


def test_whoever_leaves_is_connected_by_tunnel_where_the_policy_brings_back(visit: Visit, beacon: Beacon) -> None:
    beacon.stand()
    visit.start(naming(visit, beacon.sha256, "\n    comes_back: 5m"))
    assert visit.sekisho("connect").code == 0
    assert visit.state() == "inside"
    beacon.leave()
    visit.endpoint.wait_for_state("open", 60)
    assert visit.scene.town.laptop.pings(PACS, 10)


def test_a_tunnel_that_is_open_stays_open_inside_and_nobody_asks_the_beacon_meanwhile(
    visit: Visit, beacon: Beacon
) -> None:
    visit.start(naming(visit, beacon.sha256)).connect()
    beacon.stand()
    assert visit.scene.town.laptop.pings(PACS, 10)
    assert visit.state() == "open"
    visit.scene.wifi.switch_to(visit.scene.wifi.open_network("StationFree"))
    visit.is_cut("wifi.trust")
    assert beacon.asked == 0
    visit.scene.wifi.switch_to(visit.scene.home)
    assert visit.sekisho("connect").code == 0
    assert visit.state() == "inside"
