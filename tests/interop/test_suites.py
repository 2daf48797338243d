"""Every suite that we offer, each with a strongSwan that takes exactly that one, and real packets through each."""

from dataclasses import replace
from itertools import product

import pytest

from ike.proposal import IKE_COMPATIBLE, IKE_DEFAULT
from ike.proposal import format as words
from tests.interop.hospital import Hospital
from tests.lab.strongswan_conf import GATEWAY_SIDE

pytestmark = pytest.mark.lab

DEFAULT = [words(proposal) for proposal in IKE_DEFAULT]
GROUPS = ("modp4096", "modp3072", "modp2048")
COMPATIBLE = [
    *DEFAULT,
    *("-".join(suite) for suite in product(("aes256gcm16",), ("prfsha384", "prfsha256", "prfsha512"), GROUPS)),
    *(
        "-".join(suite)
        for suite in product(
            ("aes256", "aes128"), ("sha384", "sha256", "sha512"), ("ecp384", "x25519", "ecp256", *GROUPS)
        )
    ),
]
ESP = ("aes256gcm16", "aes128gcm16", "chacha20poly1305")


@pytest.mark.parametrize("suite", DEFAULT)
def test_each_suite_of_the_default_offer_connects_with_a_gateway_that_takes_only_it(
    hospital: Hospital, suite: str
) -> None:
    hospital.serve(replace(GATEWAY_SIDE, ike_proposals=suite))
    client = hospital.client()
    assert client.connect().ike_suite == suite
    assert client.pings()
    hospital.wait_same(client)


@pytest.mark.parametrize("suite", COMPATIBLE)
def test_each_suite_of_the_compatible_offer_connects_with_a_gateway_that_takes_only_it(
    hospital: Hospital, suite: str
) -> None:
    hospital.serve(replace(GATEWAY_SIDE, ike_proposals=suite))
    client = hospital.client(replace(hospital.config, ike_proposals=IKE_COMPATIBLE))
    assert client.connect().ike_suite == suite
    assert client.pings()


def test_no_suite_of_the_compatible_offer_was_forgotten_above() -> None:
    offered = {"-".join(chosen) for proposal in IKE_COMPATIBLE for chosen in product(*_alternatives(words(proposal)))}
    assert offered == set(COMPATIBLE)


@pytest.mark.parametrize("suite", ESP)
def test_each_esp_suite_carries_packets_before_and_after_a_rekey(hospital: Hospital, suite: str) -> None:
    hospital.serve(replace(GATEWAY_SIDE, esp_proposals=f"{suite}-ecp384,{suite}"))
    client = hospital.client()
    assert client.connect().esp_suite == suite
    assert client.pings()
    hospital.gateway.rekey_child()
    client.wait_rekeyed("child")
    assert client.pings()
    hospital.wait_same(client)


def test_without_a_wish_of_the_gateway_the_first_suite_of_each_offer_is_taken(hospital: Hospital) -> None:
    client = hospital.client()
    summary = client.connect()
    assert client.pings()
    assert (summary.ike_suite, summary.esp_suite) == (DEFAULT[0], ESP[0])


def _alternatives(suite: str) -> list[list[str]]:
    """Sort the words of one proposal by kind: cipher, hash, group."""
    sorts: tuple[list[str], ...] = ([], [], [])
    for word in suite.split("-"):
        sorts[1 if "sha" in word else 0 if word.startswith("aes") else 2].append(word)
    return list(sorts)
