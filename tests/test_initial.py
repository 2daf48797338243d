"""IKE_SA_INIT and IKE_AUTH in parts: hashes, bounds on what is handed out, codes of refusals."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from ike.config import Endpoint
from ike.crypto import sha1
from ike.errors import PeerError
from ike.initial import addresses
from ike.initial.opening import accepted_hashes, fragment_size, nat_hash, refusal
from ike.payloads import CfgValue, Configuration, Notify, VendorId
from ike.registry import CfgAttribute, CfgType, HashAlgorithm, NotifyType
from tests.pair import ADDRESS, client_config, gateway_config


def reply(*values: tuple[CfgAttribute, bytes], kind: CfgType = CfgType.REPLY) -> Configuration:
    return Configuration(kind, tuple(CfgValue(attribute, data) for attribute, data in values))


def test_a_nat_hash_covers_spis_address_and_port() -> None:
    # RFC 7296 §2.23: SPIs, in the order of the header, IP address, port
    expected = sha1(bytes.fromhex("0102030405060708 1112131415161718 c6336401 01f4"))
    spis = bytes.fromhex("0102030405060708"), bytes.fromhex("1112131415161718")
    assert nat_hash(*spis, Endpoint("198.51.100.1", 500)) == expected


@pytest.mark.parametrize(
    ("data", "hashes"),
    [
        (b"\0\2\0\3", (HashAlgorithm.SHA2_256, HashAlgorithm.SHA2_384)),
        (b"\0\2\0", (HashAlgorithm.SHA2_256,)),
        (b"", ()),
        (bytes(65_000), (0,) * 32),
    ],
)
def test_announced_hashes_are_read_without_trusting_their_length(data: bytes, hashes: tuple[int, ...]) -> None:
    assert accepted_hashes((Notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, data),)) == hashes


def test_a_peer_that_announces_no_hashes_accepts_none() -> None:
    assert accepted_hashes((VendorId(b"old router"),)) == ()


def test_fragments_are_used_only_when_the_peer_takes_them() -> None:
    assert fragment_size(1232, ()) is None
    assert fragment_size(1232, (Notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED),)) == 1232


@pytest.mark.parametrize(
    ("notify", "code"),
    [
        (NotifyType.NO_PROPOSAL_CHOSEN, "proposal.none"),
        (NotifyType.AUTHENTICATION_FAILED, "auth.rejected"),
        (NotifyType.TS_UNACCEPTABLE, "ts.unacceptable"),
        (NotifyType.INTERNAL_ADDRESS_FAILURE, "address.none"),
        (NotifyType.INVALID_SYNTAX, "peer.malformed"),
    ],
)
def test_every_refusal_has_a_code_and_names_itself(notify: NotifyType, code: str) -> None:
    error = refusal(Notify(notify))
    assert error.code == code
    assert notify.name in error.detail


def test_an_unknown_refusal_is_named_by_its_number_without_its_data() -> None:
    assert refusal(Notify(9999, b"\x1b[31m")).detail == "the gateway answered 9999"


def test_several_addresses_are_all_taken() -> None:
    # a habit of some gateways
    other = IPv4Address("10.60.0.8")
    both = reply(*((CfgAttribute.INTERNAL_IP4_ADDRESS, one.packed) for one in (ADDRESS, other)))
    assert addresses.accept(client_config(), both) == ((IPv4Interface(ADDRESS), IPv4Interface(other)), (), ())


@pytest.mark.parametrize("answer", [None, reply(kind=CfgType.SET), reply(kind=CfgType.REQUEST)])
def test_no_address_is_tolerated_and_noted_if_one_was_wanted(answer: Configuration | None) -> None:
    given, servers, (note,) = addresses.accept(client_config(), answer)
    assert (given, servers, note.code) == ((), (), "address.absent")
    assert addresses.accept(replace(client_config(), want_address=False), answer) == ((), (), ())


def test_empty_and_repeated_values_count_once_at_most() -> None:
    values = [(CfgAttribute.INTERNAL_IP4_ADDRESS, b"")] + [(CfgAttribute.INTERNAL_IP4_ADDRESS, ADDRESS.packed)] * 100
    assert addresses.accept(client_config(), reply(*values))[0] == (IPv4Interface(ADDRESS),)


def test_a_flood_of_addresses_is_cut_short() -> None:
    many = [(CfgAttribute.INTERNAL_IP4_ADDRESS, (ADDRESS + i).packed) for i in range(1000)]
    assert len(addresses.accept(client_config(), reply(*many))[0]) == 8


@pytest.mark.parametrize("size", [1, 3, 5, 16])
def test_an_address_of_the_wrong_size_refuses_the_gateway(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        addresses.accept(client_config(), reply((CfgAttribute.INTERNAL_IP4_ADDRESS, bytes(size))))
    assert caught.value.code == "peer.malformed"


@pytest.mark.parametrize("address", ["10.1.2.3", "172.31.0.1", "192.168.9.9", "100.64.0.1"])
def test_private_addresses_are_taken_when_the_policy_says_nothing(address: str) -> None:
    given = addresses.accept(client_config(), reply((CfgAttribute.INTERNAL_IP4_ADDRESS, IPv4Address(address).packed)))
    assert given[0] == (IPv4Interface(address),)


def test_a_public_address_is_taken_if_the_policy_says_so() -> None:
    config = replace(client_config(), address_bounds=(IPv4Network("203.0.113.0/24"),))
    handed = reply((CfgAttribute.INTERNAL_IP4_ADDRESS, IPv4Address("203.0.113.9").packed))
    assert addresses.accept(config, handed)[0] == (IPv4Interface("203.0.113.9"),)


def test_name_servers_are_handed_out_only_when_asked_for() -> None:
    gateway = gateway_config()
    plain = Configuration(CfgType.REQUEST, (CfgValue(CfgAttribute.INTERNAL_IP4_ADDRESS),))
    given, named = addresses.hand_out(gateway, plain), addresses.hand_out(gateway, addresses.REQUEST)
    assert given is not None
    assert named is not None
    assert [value.kind for value in given.attributes] == [CfgAttribute.INTERNAL_IP4_ADDRESS]
    assert [value.kind for value in named.attributes] == [
        CfgAttribute.INTERNAL_IP4_ADDRESS,
        CfgAttribute.INTERNAL_IP4_DNS,
    ]
