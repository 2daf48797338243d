"""Identities: made, compared, shown."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ike import distinguished
from ike.errors import ConfigError, MalformedError
from ike.identity import Identity
from ike.registry import IdType
from tests.ike_strategies import damaged, octet


def _name(*attributes):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


GATEWAY = _name((NameOID.COUNTRY_NAME, "JP"), (NameOID.ORGANIZATION_NAME, "中央病院"), (NameOID.COMMON_NAME, "gw1"))


@pytest.mark.parametrize(
    ("identity", "kind", "data", "text"),
    [
        (Identity.fqdn("gw.hospital.test"), IdType.FQDN, b"gw.hospital.test", "gw.hospital.test"),
        (Identity.email("it@hospital.test"), IdType.RFC822_ADDR, b"it@hospital.test", "it@hospital.test"),
        (Identity.address("192.0.2.1"), IdType.IPV4_ADDR, bytes((192, 0, 2, 1)), "192.0.2.1"),
        (Identity.address("2001:db8::1"), IdType.IPV6_ADDR, None, "2001:db8::1"),
        (Identity.dn(GATEWAY.public_bytes()), IdType.DER_ASN1_DN, None, "C=JP, O=中央病院, CN=gw1"),
        (Identity(IdType.KEY_ID, b"\x00\xff"), 11, b"\x00\xff", "KEY_ID:00ff"),
        (Identity(200, b"abc"), 200, b"abc", "200:616263"),
        (Identity(IdType.IPV4_ADDR, b"abc"), 1, b"abc", "IPV4_ADDR:616263"),
    ],
)
def test_an_identity_is_its_type_and_bytes_and_reads_well(identity, kind, data, text):
    assert identity.kind == kind
    assert data is None or identity.data == data
    assert identity.describe() == text


@pytest.mark.parametrize("name", ["", "a b", "gw\n", "病院.test", "\x1b[2J"])
def test_a_name_that_is_not_printable_ascii_is_refused(name):
    with pytest.raises(ConfigError) as caught:
        Identity.fqdn(name)
    assert caught.value.detail.isprintable()
    with pytest.raises(ConfigError):
        Identity.email(name)


def test_a_bad_address_is_refused():
    with pytest.raises(ConfigError, match="not an IP address"):
        Identity.address("10.0.0.256")


def test_control_characters_of_a_peer_never_reach_the_screen():
    assert Identity(IdType.FQDN, b"gw\r\n\x1b[31m\xff").describe() == r"gw\r\n\x1b[31m\xff"
    name = _name((NameOID.COMMON_NAME, "gw\u202e\x07"))
    assert Identity.dn(name.public_bytes()).describe() == r"CN=gw\u202e\x07"


@given(octet, st.binary(max_size=400))
def test_any_identity_can_be_shown(kind, data):
    text = Identity(kind, data).describe()
    assert text.isprintable()
    assert len(text) < 300


def test_a_huge_identity_is_shown_in_short():
    for kind in IdType:
        assert len(Identity(kind, b"\x30" * 65_000).describe()) < 300


def test_an_attribute_without_a_short_name_shows_its_number():
    name = _name((NameOID.SURNAME, "Sato"), (NameOID.COMMON_NAME, "x"))
    assert distinguished.describe(name.public_bytes()) == "550404=Sato, CN=x"


@given(damaged(st.just(GATEWAY.public_bytes())) | st.binary(max_size=80))
def test_a_damaged_name_is_text_or_the_senders_mistake(der):
    try:
        distinguished.describe(der)
    except MalformedError:
        assert Identity.dn(der).describe().isprintable()


def test_a_long_name_is_read():
    name = _name(*[(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{i:060}") for i in range(8)])
    assert distinguished.describe(name.public_bytes()).count("OU=") == 8


def test_one_value_cannot_pass_for_two():
    name = _name((NameOID.ORGANIZATION_NAME, "Evil, CN=gw1"))
    assert distinguished.describe(name.public_bytes()) == r"O=Evil\, CN=gw1"
