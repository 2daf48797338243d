"""The gateway is silent, wrong or will not: one sentence with cause, side, next step and code; nothing half set up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.certificates import Authority, Issued
from tests.e2e.visit import Visit
from tests.lab.pki import GATEWAY_NAME
from tests.lab.strongswan_conf import GATEWAY_SIDE, Connection

pytestmark = pytest.mark.lab


def test_an_expired_certificate(running: Visit) -> None:
    authority = running.scene.papers.authority
    expired = authority.issue(GATEWAY_NAME, not_before=day(2024), not_after=day(2025))
    with serving(running, own=expired):
        assert running.refused("gateway.certificate.expired").who == "gateway"


def test_a_certificate_from_the_future(running: Visit) -> None:
    early = running.scene.papers.authority.issue(GATEWAY_NAME, not_before=day(2039), not_after=day(2040))
    with serving(running, own=early):
        assert running.refused("gateway.certificate.not_yet_valid").who == "laptop"


def test_a_certificate_of_another_authority(running: Visit) -> None:
    with serving(running, own=Authority.create("Sekisho Lab Hospital").issue(GATEWAY_NAME)):
        assert running.refused("gateway.certificate.untrusted").who == "gateway"


def test_a_certificate_that_is_not_for_a_gateway(running: Visit) -> None:
    with serving(running, own=running.scene.papers.authority.issue(GATEWAY_NAME, eku=("emailProtection",))):
        assert running.refused("gateway.certificate.usage").who == "gateway"


def test_a_gateway_that_does_not_know_this_laptops_authority(running: Visit) -> None:
    own = running.scene.papers.gateway
    with serving(running, own=own, trusting=Authority.create("Somebody else")):
        assert running.refused("auth.rejected").who == "gateway"


@pytest.mark.parametrize(
    "connection",
    [
        replace(GATEWAY_SIDE, ike_proposals="aes128-sha256-modp3072"),
        replace(GATEWAY_SIDE, esp_proposals="aes128-sha256"),
    ],
    ids=["ike", "esp"],
)
def test_no_encryption_method_in_common(running: Visit, connection: Connection) -> None:
    with serving(running, connection):
        assert running.refused("proposal.none").who == "gateway"


def test_a_gateway_that_refuses_the_networks(running: Visit) -> None:
    with serving(running, replace(GATEWAY_SIDE, local_ts="10.99.0.0/24")):
        assert running.refused("ts.unacceptable").who == "gateway"


def test_a_gateway_without_an_address_to_give(running: Visit) -> None:
    with serving(running, replace(GATEWAY_SIDE, pool="", remote_ts="10.60.0.0/24")):
        assert running.refused("address.none").who == "gateway"


def test_another_name_than_the_policy_demands(visit: Visit) -> None:
    wrong = visit.scene.policy.replace(f"identity: fqdn:{GATEWAY_NAME}", "identity: fqdn:other.hospital.test")
    visit.start(wrong.replace("        anchors:", "        send_identity: false\n        anchors:"))
    assert visit.refused("gateway.identity").who == "gateway"


def test_a_gateway_that_has_not_the_name_it_is_asked_for_refuses(visit: Visit) -> None:
    visit.start(visit.scene.policy.replace(f"identity: fqdn:{GATEWAY_NAME}", "identity: fqdn:other.hospital.test"))
    assert visit.refused("auth.rejected").who == "gateway"


def test_a_gateway_whose_name_is_not_found(visit: Visit) -> None:
    visit.start(visit.scene.policy.replace("address: 198.51.100.1", "address: gw.nowhere.test"))
    assert visit.refused("gateway.unresolved").who == "network"


@contextmanager
def serving(
    visit: Visit, connection: Connection = GATEWAY_SIDE, own: Issued | None = None, trusting: Authority | None = None
) -> Iterator[None]:
    """Give the gateway other terms or papers; afterwards it is as it was."""
    papers, gateway = visit.scene.papers, visit.scene.gateway
    gateway.stop()
    gateway.configure(trusting or papers.authority, own or papers.gateway, connection)
    gateway.restart()
    try:
        yield
    finally:
        gateway.stop()
        gateway.configure(papers.authority, papers.gateway)
        gateway.restart()


def day(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)
