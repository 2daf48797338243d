"""Every way in which two ends do not come together: each has its code, and nothing is installed."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network

import pytest

from ike.config import Config, ResponderConfig
from ike.effects import Configure, Down, Note, Transmit
from ike.identity import Identity
from ike.proposal import parse, parse_all
from ike.registry import ProtocolId
from ike.selectors import Selector
from tests.certificates import Authority, Issued
from tests.pair import Pair, client_config, gateway_config, is_over, key_of, papers

PAST, PAST_END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
FUTURE, FUTURE_END = datetime(2038, 1, 1, tzinfo=UTC), datetime(2039, 1, 1, tzinfo=UTC)


def test_a_gateway_with_another_name_is_refused() -> None:
    stranger = papers().root.issue("other.hospital.test")
    assert fails(shown_by_gateway(stranger, "other.hospital.test")) == "gateway.identity"


def test_a_gateway_that_claims_the_right_name_with_another_certificate_is_refused() -> None:
    stranger = papers().root.issue("other.hospital.test")
    assert fails(shown_by_gateway(stranger, "gw.hospital.test")) == "gateway.identity"


def test_an_expired_gateway_certificate_is_refused() -> None:
    expired = papers().root.issue("gw.hospital.test", not_before=PAST, not_after=PAST_END)
    assert fails(shown_by_gateway(expired)) == "gateway.certificate.expired"


def test_a_gateway_certificate_of_the_future_is_refused() -> None:
    coming = papers().root.issue("gw.hospital.test", not_before=FUTURE, not_after=FUTURE_END)
    assert fails(shown_by_gateway(coming)) == "gateway.certificate.not_yet_valid"


def test_a_gateway_certificate_of_a_foreign_authority_is_refused() -> None:
    foreign = Authority.create("Somebody Else").issue("gw.hospital.test")
    assert fails(shown_by_gateway(foreign)) == "gateway.certificate.untrusted"


def test_a_gateway_certificate_for_mail_is_refused() -> None:
    mail = papers().root.issue("gw.hospital.test", eku=("emailProtection",))
    assert fails(shown_by_gateway(mail)) == "gateway.certificate.usage"


def test_a_gateway_without_a_certificate_is_refused() -> None:
    pair = Pair(gateway=replace(gateway_config(), certificates=()))
    assert fails(pair) == "gateway.certificate.missing"


def test_a_gateway_that_signs_with_another_key_is_refused() -> None:
    pair = Pair(gateway_key=key_of(papers().root.issue("gw.hospital.test")))
    assert fails(pair) == "gateway.signature"


def test_the_gateway_is_told_that_it_was_not_believed() -> None:
    # HDR, SK {N(AUTHENTICATION_FAILED)} -->  (RFC 7296 §2.21.2)
    pair = shown_by_gateway(Authority.create("Somebody Else").issue("gw.hospital.test"))
    fails(pair)
    assert pair.gateway.failure == "auth.rejected"
    assert pair.gateway.installed == {}


def test_a_client_of_a_foreign_authority_is_rejected() -> None:
    own = Authority.create("Somebody Else").issue("laptop.hospital.test", eku=())
    client = replace(client_config(), certificates=(own.der,), schemes=key_of(own).schemes())
    pair = Pair(client=client, client_key=key_of(own))
    assert fails(pair) == "auth.rejected"
    assert pair.client.of(Down)[-1].by == "peer"


def test_without_a_common_proposal_nothing_is_agreed() -> None:
    pair = Pair(gateway=replace(gateway_config(), ike_proposals=(parse("aes128gcm16-prfsha512-ecp521"),)))
    assert fails(pair) == "proposal.none"
    assert 2.5 < pair.boot - 1000 < 4  # told to the doctor soon, but not before a better answer had its chance


def test_without_a_common_esp_proposal_the_ike_sa_is_deleted_politely() -> None:
    chacha = parse_all(("chacha20poly1305",), ProtocolId.ESP)
    aes = parse_all(("aes128gcm16",), ProtocolId.ESP)
    pair = child_refused(replace(client_config(), esp_proposals=aes), replace(gateway_config(), esp_proposals=chacha))
    assert pair.client.failure == "proposal.none"


def test_refused_selectors_end_the_attempt() -> None:
    elsewhere = (Selector.from_network(IPv4Network("172.16.0.0/12")),)
    pair = child_refused(replace(client_config(), remote_selectors=elsewhere), gateway_config())
    assert pair.client.failure == "ts.unacceptable"


def test_a_gateway_without_an_address_left_ends_the_attempt() -> None:
    pair = child_refused(client_config(), replace(gateway_config(), pool=()))
    assert pair.client.failure == "address.none"


@pytest.mark.parametrize("address", ["127.0.0.1", "224.0.0.1", "0.0.0.0", "169.254.1.1", "255.255.255.255", "8.8.8.8"])
def test_an_address_that_is_no_private_host_is_refused(address: str) -> None:
    pair = child_refused(client_config(), replace(gateway_config(), pool=(IPv4Address(address),)))
    assert pair.client.failure == "address.refused"


def test_an_address_outside_the_policy_is_refused() -> None:
    bounded = replace(client_config(), address_bounds=(IPv4Network("10.61.0.0/16"),))
    assert child_refused(bounded, gateway_config()).client.failure == "address.refused"


def test_a_name_server_that_is_no_host_is_left_out_and_noted() -> None:
    servers = (IPv4Address("127.0.0.53"), IPv4Address("10.50.0.53"))
    pair = Pair(gateway=replace(gateway_config(), dns=servers))
    pair.connect()
    assert pair.client.of(Configure)[0].dns == servers[1:]
    assert [note.code for note in pair.client.of(Note)] == ["address.dns"]


def test_a_rejected_client_tries_once_more_and_no_oftener_on_a_quiet_path() -> None:
    own = Authority.create("Somebody Else").issue("laptop.hospital.test", eku=())
    client = replace(client_config(), certificates=(own.der,), schemes=key_of(own).schemes())
    pair = Pair(client=client, client_key=key_of(own))
    fails(pair)
    assert len(pair.client.of(Transmit)) == 4


def test_a_clock_that_is_wrong_is_told_from_a_certificate_that_is_old() -> None:
    expired = papers().root.issue("gw.hospital.test", not_before=PAST, not_after=PAST_END)
    assert "expired" in str(failed(shown_by_gateway(expired)).client.of(Down)[0].error)


def shown_by_gateway(issued: Issued, name: str = "gw.hospital.test") -> Pair:
    """Give the gateway another certificate."""
    key = key_of(issued)
    gateway = replace(
        gateway_config(), local_identity=Identity.fqdn(name), certificates=(issued.der,), schemes=key.schemes()
    )
    return Pair(gateway=gateway, gateway_key=key)


def failed(pair: Pair) -> Pair:
    """Run to the end, which must leave nothing behind."""
    pair.run(60, lambda: is_over(pair.client))
    assert is_over(pair.client)
    pair.assert_nothing_installed()
    assert pair.client.session.deadline is None
    return pair


def fails(pair: Pair) -> str | None:
    """Run to the end and give its code."""
    return failed(pair).client.failure


def child_refused(client: Config, gateway: ResponderConfig) -> Pair:
    """Run to the end, which must leave nothing behind at the gateway either."""
    pair = failed(Pair(client=client, gateway=gateway))
    pair.run(5)
    assert is_over(pair.gateway)
    assert pair.gateway.installed == {}
    return pair
