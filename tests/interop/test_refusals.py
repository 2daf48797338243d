"""Gateways that must be refused, or that refuse us: one exact code each, nothing installed, nothing left behind."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ike.effects import Configure, Up
from ike.identity import Identity
from tests.interop.client import BRISK, Client
from tests.interop.hospital import NO_4500, Hospital
from tests.lab import road
from tests.lab.pki import DEVICE_NAME, GATEWAY_NAME, Papers
from tests.lab.strongswan_conf import GATEWAY_SIDE, Connection

pytestmark = pytest.mark.lab

PAST = datetime(2025, 1, 2, tzinfo=UTC)
FUTURE = datetime(2039, 1, 1, tzinfo=UTC)
OTHER_NAME = "gw.elsewhere.test"


@pytest.fixture(autouse=True)
def _the_next_attempt_with_good_words_succeeds(hospital: Hospital) -> object:
    yield
    hospital.tidy()
    hospital.serve()
    hospital.connect()


def test_a_gateway_that_does_not_answer_is_unreachable(hospital: Hospital) -> None:
    road.cut(hospital.town)
    _assert_refused(hospital, hospital.client(hospital.timed(replace(BRISK, attempt=1.0))), "gateway.unreachable")


def test_a_gateway_whose_port_is_closed_is_unreachable(hospital: Hospital) -> None:
    hospital.gateway.stop()
    client = hospital.client(hospital.timed(replace(BRISK, attempt=1.0)))
    assert client.end() == "gateway.unreachable"
    _assert_untouched(client)


def test_a_gateway_that_falls_silent_after_its_first_answer_is_unreachable(hospital: Hospital) -> None:
    hospital.town.router.nft(NO_4500)
    client = hospital.client(hospital.timed(replace(BRISK, attempt=1.0, auth_tries=2)))
    assert client.end() == "gateway.unreachable"
    _assert_untouched(client)


def test_a_gateway_of_another_name_is_not_the_gateway(hospital: Hospital) -> None:
    hospital.serve(
        replace(GATEWAY_SIDE, identity=OTHER_NAME), own=hospital.papers.authority.issue(OTHER_NAME, key="ecdsa-p384")
    )
    client = hospital.client(replace(hospital.config, send_remote_identity=False))
    _assert_refused(hospital, client, "gateway.identity")


def test_a_gateway_that_does_not_know_the_name_we_ask_for_rejects_us(hospital: Hospital) -> None:
    client = hospital.client(replace(hospital.config, remote_identity=Identity.fqdn(OTHER_NAME)))
    _assert_refused(hospital, client, "auth.rejected")


def test_an_expired_certificate_of_the_gateway_is_refused(hospital: Hospital) -> None:
    hospital.serve(own=hospital.papers.authority.issue(GATEWAY_NAME, not_after=PAST))
    _assert_refused(hospital, hospital.client(), "gateway.certificate.expired")


def test_a_certificate_of_tomorrow_is_refused(hospital: Hospital) -> None:
    hospital.serve(own=hospital.papers.authority.issue(GATEWAY_NAME, not_before=FUTURE))
    _assert_refused(hospital, hospital.client(), "gateway.certificate.not_yet_valid")


def test_a_gateway_of_a_foreign_authority_is_refused(hospital: Hospital) -> None:
    hospital.serve(own=Papers.issue().gateway)
    _assert_refused(hospital, hospital.client(), "gateway.certificate.untrusted")


def test_a_certificate_that_is_not_for_gateways_is_refused(hospital: Hospital) -> None:
    hospital.serve(own=hospital.papers.authority.issue(GATEWAY_NAME, eku=("emailProtection",)))
    _assert_refused(hospital, hospital.client(), "gateway.certificate.usage")


def test_a_gateway_that_shows_no_certificate_is_refused(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, send_certificate="never"))
    _assert_refused(hospital, hospital.client(), "gateway.certificate.missing")


def test_our_certificate_of_a_foreign_authority_is_rejected(hospital: Hospital) -> None:
    _assert_refused(hospital, hospital.client(device=Papers.issue().device), "auth.rejected")


def test_our_expired_certificate_is_rejected(hospital: Hospital) -> None:
    device = hospital.papers.authority.issue(DEVICE_NAME, eku=("clientAuth",), not_after=PAST)
    _assert_refused(hospital, hospital.client(device=device), "auth.rejected")


@pytest.mark.parametrize(
    ("connection", "code"),
    [
        pytest.param(replace(GATEWAY_SIDE, ike_proposals="aes256-sha256-modp2048"), "proposal.none", id="IKE suites"),
        pytest.param(replace(GATEWAY_SIDE, esp_proposals="aes256-sha256"), "proposal.none", id="ESP suites"),
        pytest.param(replace(GATEWAY_SIDE, local_ts="10.99.0.0/24"), "ts.unacceptable", id="networks"),
        pytest.param(replace(GATEWAY_SIDE, pool=""), "address.none", id="no pool"),
    ],
)
def test_a_gateway_that_cannot_agree_is_named_by_what_it_refuses(
    hospital: Hospital, connection: Connection, code: str
) -> None:
    hospital.serve(connection)
    _assert_refused(hospital, hospital.client(), code)


def test_a_pool_that_is_used_up_has_no_address(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, pool="10.60.0.7/32"))
    name = "laptop-18.hospital.test"
    other = hospital.papers.authority.issue(name, eku=("clientAuth",))
    first = hospital.connect()
    config = replace(
        hospital.config, local_identity=Identity.fqdn(name), certificates=(other.der,), initial_contact=False
    )
    second = hospital.client(config, other)
    assert second.end() == "address.none"
    _assert_untouched(second)
    assert first.pings()
    assert hospital.gateway.established() == 1


def test_an_address_outside_the_policys_bounds_is_refused(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, pool="192.0.2.0/29"))
    _assert_refused(hospital, hospital.client(), "address.refused")


def _assert_refused(hospital: Hospital, client: Client, code: str) -> None:
    assert client.end(10) == code, client.told
    _assert_untouched(client)
    road.heal(hospital.town)
    hospital.wait_empty()


def _assert_untouched(client: Client) -> None:
    assert not client.of(Up, Configure)
    assert client.spis == []
