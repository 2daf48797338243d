"""Traffic selectors: ranges, narrowing, containment."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike.errors import ConfigError
from ike.registry import TsType
from ike.selectors import OPAQUE, OtherSelector, Selector, encode_selectors, narrow, within
from tests.ike_strategies import selectors

ANY = Selector.from_network(IPv4Network("0.0.0.0/0"))
HOSPITAL = Selector.from_network(IPv4Network("10.50.0.0/24"))
PACS = Selector.from_network(IPv4Network("10.50.0.10/32"), protocol=6, ports=(104, 104))


def test_a_network_is_selected_from_its_first_to_its_last_address():
    assert (str(HOSPITAL.start), str(HOSPITAL.end)) == ("10.50.0.0", "10.50.0.255")
    assert HOSPITAL.kind == TsType.IPV4_ADDR_RANGE
    assert Selector.from_network(IPv6Network("2001:db8::/32")).kind == TsType.IPV6_ADDR_RANGE


@pytest.mark.parametrize("text", ["0.0.0.0/0", "10.50.0.0/24", "10.50.0.10/32", "2001:db8::/48", "::/0"])
def test_a_network_comes_back_as_itself(text):
    assert Selector.from_network(ip_network(text)).networks() == (ip_network(text),)


def test_an_odd_range_is_covered_exactly():
    odd = Selector(TsType.IPV4_ADDR_RANGE, 0, 0, 65535, IPv4Address("10.0.0.1"), IPv4Address("10.0.0.4"))
    assert [str(net) for net in odd.networks()] == ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32"]
    assert odd.describe() == "10.0.0.1-10.0.0.4"


def test_a_selector_says_what_it_is():
    assert HOSPITAL.describe() == "10.50.0.0/24"
    assert PACS.describe() == "10.50.0.10/32 protocol 6 ports 104-104"


def test_an_answer_lies_within_the_offer_or_not():
    assert within((HOSPITAL, PACS), (ANY,))
    assert within((PACS,), (HOSPITAL,))
    assert not within((HOSPITAL,), (PACS,))
    assert not within((ANY,), (HOSPITAL,))
    assert not within((HOSPITAL, ANY), (HOSPITAL,))


def test_the_versions_of_ip_never_meet():
    six = Selector.from_network(IPv6Network("::/0"))
    assert six.overlap(ANY) is None
    assert not within((six,), (ANY,))


def test_an_offer_is_narrowed_in_its_own_order():
    other = Selector.from_network(IPv4Network("10.60.0.0/24"))
    assert narrow((ANY,), (HOSPITAL, other)) == (HOSPITAL, other)
    assert narrow((other, HOSPITAL), (HOSPITAL, other)) == (other, HOSPITAL)
    assert narrow((HOSPITAL,), (PACS,)) == (PACS,)
    assert narrow((other,), (HOSPITAL,)) == ()


def test_narrowing_never_gives_more_than_fit_in_a_payload():
    hosts = [Selector.from_network(IPv4Network((i, 32))) for i in range(300)]
    assert len(narrow((ANY, ANY), hosts)) == 255


def test_opaque_ports_belong_only_to_any_port():
    opaque = Selector.from_network(IPv4Network("10.50.0.10/32"), protocol=6, ports=OPAQUE)
    assert HOSPITAL.contains(opaque)
    assert not PACS.contains(opaque)
    assert opaque.contains(opaque)


@given(selectors(), selectors())
def test_what_two_selectors_share_lies_in_both(one, other):
    shared = one.overlap(other)
    assert one.contains(one)
    assert (shared is None) == (other.overlap(one) is None)
    if shared is not None:
        assert one.contains(shared)
        assert other.contains(shared)


@given(st.lists(selectors(), max_size=4), st.lists(selectors(), max_size=4))
def test_narrowing_stays_within_both_sides(offered, allowed):
    result = narrow(offered, allowed)
    assert within(result, offered)
    assert within(result, allowed)


@pytest.mark.parametrize("count", [0, 256])
def test_a_payload_holds_1_to_255_selectors(count):
    with pytest.raises(ConfigError):
        encode_selectors([HOSPITAL] * count)


def test_a_selector_of_an_unknown_type_is_written_as_it_came():
    assert OtherSelector(10, b"\x00label").encode() == b"\x0a\x00\x00\x09label"


def test_a_range_from_one_version_of_ip_to_the_other_is_our_own_mistake():
    mixed = Selector(TsType.IPV4_ADDR_RANGE, 0, 0, 65535, IPv4Address("10.0.0.1"), IPv6Address("::1"))
    with pytest.raises(ConfigError, match="mixes IPv4 and IPv6"):
        mixed.networks()
