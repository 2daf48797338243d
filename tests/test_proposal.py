"""Suites: their words, the choice, the check of a choice, and their bytes."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike import proposal
from ike.errors import ConfigError, MalformedError, PeerError
from ike.proposal import (
    ESP_DEFAULT,
    IKE_COMPATIBLE,
    IKE_DEFAULT,
    Proposal,
    Transform,
    check_chosen,
    choose,
    decode_proposals,
    encode_proposals,
    groups,
    parse,
    parse_all,
    with_group,
    with_spi,
    without_group,
)
from ike.registry import Encr, Esn, Group, Integ, NotifyType, Prf, ProtocolId, TransformType
from ike.wire import Reader
from tests.ike_strategies import damaged, security_associations

NO_ESN = Transform(TransformType.ESN, Esn.NO_ESN)


def test_the_default_offer_is_what_the_design_says_in_its_order():
    assert [proposal.format(one) for one in IKE_DEFAULT] == [
        "aes256gcm16-prfsha384-ecp384",
        "aes256gcm16-prfsha256-x25519",
        "aes256gcm16-prfsha256-ecp256",
    ]
    assert [proposal.format(one) for one in ESP_DEFAULT] == ["aes256gcm16", "aes128gcm16", "chacha20poly1305"]
    assert groups(IKE_DEFAULT)[0] == Group.ECP_384


def test_the_compatible_offer_begins_with_the_default_one():
    assert IKE_COMPATIBLE[: len(IKE_DEFAULT)] == IKE_DEFAULT
    assert [one.number for one in IKE_COMPATIBLE] == [1, 2, 3, 4, 5]
    assert set(groups(IKE_COMPATIBLE)) >= {Group.MODP_2048, Group.MODP_3072, Group.MODP_4096}


def test_an_aead_proposal_has_no_integrity_and_a_cbc_proposal_has():
    for one in IKE_COMPATIBLE:
        aead = all(proposal.is_aead(cipher) for cipher in one.of(TransformType.ENCR))
        assert aead == (not one.of(TransformType.INTEG))


def test_every_esp_proposal_says_that_sequence_numbers_are_short():
    assert all(NO_ESN in one.transforms for one in ESP_DEFAULT)


def test_words_become_transforms():
    assert parse("aes128-sha256-modp2048") == Proposal(
        1,
        ProtocolId.IKE,
        b"",
        (
            Transform(TransformType.ENCR, Encr.AES_CBC, 128),
            Transform(TransformType.PRF, Prf.HMAC_SHA2_256),
            Transform(TransformType.INTEG, Integ.HMAC_SHA2_256_128),
            Transform(TransformType.KE, Group.MODP_2048),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "aes256gcm16-prfsha384-ecp384",
        "chacha20poly1305-prfsha512-x25519-ecp521",
        "aes256-aes128-sha384-sha512-ecp384-modp4096",
        "aes128-prfsha384-sha256-modp3072",
    ],
)
def test_a_suite_is_written_in_the_words_it_was_read_from(text):
    assert proposal.format(parse(text)) == text
    assert parse(proposal.format(parse(text))) == parse(text)


@pytest.mark.parametrize("text", ["aes256gcm16", "aes256gcm16-ecp384", "aes128gcm16-chacha20poly1305"])
def test_an_esp_suite_is_written_in_the_words_it_was_read_from(text):
    assert proposal.format(parse(text, ProtocolId.ESP)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'unknown word ""'),
        ("aes256gcm16-prfsha384-ecp999", 'unknown word "ecp999"'),
        ("AES256GCM16-prfsha384-ecp384", "unknown word"),
        ("prfsha384-ecp384", "must name a cipher"),
        ("aes256gcm16-prfsha384", "must name a cipher and a key exchange group"),
        ("aes256gcm16-ecp384", "needs a PRF word"),
        ("aes256gcm16-sha256-ecp384", "needs a PRF word"),
        ("aes256gcm16-prfsha256-sha256-ecp384", "no other hash"),
        ("aes256-ecp384", "without a hash"),
        ("aes256-prfsha256-ecp384", "without a hash"),
        ("aes256gcm16-aes256-sha256-ecp384", "mixes AEAD and CBC"),
        ("aes256gcm16-prfsha384-ecp384-ecp384", "twice"),
        ("3des-sha256-modp2048", "asks for 3DES, which is refused for good"),
        ("aes256-sha1-modp2048", "asks for SHA-1"),
        ("aes256-md5-modp2048", "asks for MD5"),
        ("aes256gcm16-prfsha1-modp2048", "asks for SHA-1"),
        ("aes256gcm16-prfsha256-modp1024", "asks for a 1024 bit group"),
        ("des-sha256-modp2048", "asks for DES"),
        ("null-sha256-modp2048", "asks for no encryption"),
        ("aes\x1b[2J", "unknown word"),
    ],
)
def test_a_suite_that_cannot_be_is_refused_with_its_reason(text, why):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert why in caught.value.detail
    assert caught.value.code == "config.suite"
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize(
    "text", ["ecp384", "aes256-sha256", "aes256gcm16-sha256", "aes256gcm16-prfsha256", "null", "aes128gcm16-aes128"]
)
def test_an_esp_suite_needs_an_aead_cipher_and_no_hash(text):
    with pytest.raises(ConfigError):
        parse(text, ProtocolId.ESP)


def test_an_algorithm_without_a_word_shows_its_number():
    strange = Proposal(1, ProtocolId.ESP, b"spi_", (Transform(1, 23, 192), Transform(3, 2), Transform(200, 7)))
    assert proposal.format(strange) == "encr:23/192-integ:2-200:7"


def test_the_responder_chooses_by_its_own_preference():
    offer = parse_all(("aes128-sha256-modp2048", "aes256gcm16-prfsha256-ecp256-x25519"))
    answer = choose(offer, IKE_COMPATIBLE)
    assert answer is not None
    assert answer.number == 2
    assert proposal.format(answer) == "aes256gcm16-prfsha256-x25519"


def test_a_choice_is_one_transform_of_each_type_and_passes_the_check():
    for wanted in IKE_COMPATIBLE:
        answer = choose(IKE_COMPATIBLE, (wanted,))
        assert answer is not None
        assert len(answer.kinds) == len(answer.transforms)
        assert check_chosen(IKE_COMPATIBLE, (answer,)) == answer


def test_nothing_in_common_is_no_choice():
    assert choose(parse_all(("aes256-sha256-modp2048",)), IKE_DEFAULT) is None
    assert choose(ESP_DEFAULT, IKE_DEFAULT) is None


def test_an_offer_with_a_mandatory_type_we_do_not_know_is_not_chosen():
    offer = replace(IKE_DEFAULT[0], transforms=(*IKE_DEFAULT[0].transforms, Transform(200, 1)))
    assert choose((offer,), IKE_DEFAULT) is None


def test_an_additional_key_exchange_is_skipped_only_where_none_is_offered():
    with_kem = (*IKE_DEFAULT[0].transforms, Transform(TransformType.ADDKE1, Group.ML_KEM_768))
    assert choose((replace(IKE_DEFAULT[0], transforms=with_kem),), IKE_DEFAULT) is None
    optional = (*with_kem, Transform(TransformType.ADDKE1, Group.NONE))
    answer = choose((replace(IKE_DEFAULT[0], transforms=optional),), IKE_DEFAULT)
    assert answer is not None
    assert answer.of(TransformType.ADDKE1) == (Transform(TransformType.ADDKE1, Group.NONE),)


def test_a_transform_with_an_unknown_attribute_never_matches():
    odd = replace(IKE_DEFAULT[0].transforms[0], attributes=b"\x80\x63\x00\x01")
    offer = replace(IKE_DEFAULT[0], transforms=(odd, *IKE_DEFAULT[0].transforms[1:]))
    assert choose((offer,), IKE_DEFAULT) is None


def test_a_key_length_belongs_to_ciphers_only():
    prf = Transform.decode(Reader(b"\x02\x00\x00\x05\x80\x0e\x01\x00"))
    assert prf == Transform(TransformType.PRF, Prf.HMAC_SHA2_256, None, b"\x80\x0e\x01\x00")
    cipher = Transform.decode(Reader(b"\x01\x00\x00\x14\x80\x0e\x01\x00"))
    assert cipher == Transform(TransformType.ENCR, Encr.AES_GCM_16, 256)


def test_a_key_length_in_the_long_format_is_not_a_key_length():
    cipher = Transform.decode(Reader(b"\x01\x00\x00\x14\x00\x0e\x00\x02\x01\x00"))
    assert cipher.key_bits is None
    assert cipher != Transform(TransformType.ENCR, Encr.AES_GCM_16, 256)


@pytest.mark.parametrize(
    "damage",
    [
        lambda one: replace(one, number=one.number + 1),
        lambda one: replace(one, number=9),
        lambda one: replace(one, protocol=ProtocolId.ESP),
        lambda one: replace(one, spi=b"12345678"),
        lambda one: replace(one, transforms=one.transforms[1:]),
        lambda one: replace(one, transforms=one.transforms[:-1]),
        lambda one: replace(one, transforms=(*one.transforms, one.transforms[-1])),
        lambda one: replace(one, transforms=(*one.transforms, Transform(TransformType.INTEG, Integ.HMAC_SHA1_96))),
        lambda one: replace(one, transforms=(replace(one.transforms[0], key_bits=128), *one.transforms[1:])),
        lambda one: replace(one, transforms=(Transform(TransformType.ENCR, Encr.NULL), *one.transforms[1:])),
        lambda one: replace(one, transforms=(*one.transforms[:-1], Transform(TransformType.KE, Group.MODP_1024))),
        lambda one: replace(one, transforms=()),
    ],
)
def test_an_answer_that_was_not_offered_is_refused(damage):
    answer = damage(IKE_DEFAULT[0])
    with pytest.raises(PeerError) as caught:
        check_chosen(IKE_DEFAULT, (answer,))
    assert (caught.value.code, caught.value.notify) == ("proposal.none", NotifyType.NO_PROPOSAL_CHOSEN)


@pytest.mark.parametrize("count", [0, 2])
def test_an_answer_is_exactly_one_proposal(count):
    with pytest.raises(PeerError, match="must choose one"):
        check_chosen(IKE_DEFAULT, IKE_DEFAULT[:count])


def test_an_explicit_none_in_the_answer_is_the_same_as_nothing():
    none = Transform(TransformType.INTEG, Integ.NONE)
    answer = replace(IKE_DEFAULT[0], transforms=(*IKE_DEFAULT[0].transforms, none))
    assert check_chosen(IKE_DEFAULT, (answer,)) == answer


def test_a_rekey_asks_for_one_group_and_a_first_child_for_none():
    asked = with_spi(with_group(ESP_DEFAULT, Group.ECP_384), b"spi_")
    assert groups(asked) == (Group.ECP_384,)
    assert [one.number for one in asked] == [1, 2, 3]
    assert {one.spi for one in asked} == {b"spi_"}
    assert without_group(asked) == with_spi(ESP_DEFAULT, b"spi_")
    assert groups(with_group(asked, Group.ECP_256)) == (Group.ECP_256,)


def test_a_child_without_the_fresh_exchange_that_was_asked_for_is_refused():
    asked = with_spi(with_group(ESP_DEFAULT, Group.ECP_384), b"spi_")
    with pytest.raises(PeerError):
        check_chosen(asked, (without_group(asked)[0],))


@given(security_associations())
def test_proposals_survive_writing_and_reading(association):
    assert decode_proposals(Reader(encode_proposals(association.proposals))) == association.proposals


@given(damaged(security_associations().map(lambda one: one.encode())) | st.binary(max_size=200))
def test_damaged_proposals_are_a_value_or_the_senders_mistake(data):
    with suppress(PeerError):
        offered = decode_proposals(Reader(data))
        choose(offered, IKE_COMPATIBLE)
        check_chosen(IKE_COMPATIBLE, offered)


GOOD = bytes.fromhex("00000014 01030401 61616161 00000008 0100001c")


def test_the_smallest_proposal_is_read():
    expected = Proposal(1, ProtocolId.ESP, b"aaaa", (Transform(TransformType.ENCR, Encr.CHACHA20_POLY1305),))
    assert decode_proposals(Reader(GOOD)) == (expected,)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 2),  # says another proposal follows
        (0, 3),  # a transform's mark
        (3, 0x13),  # one byte short
        (3, 0x15),  # one byte over
        (3, 3),  # shorter than its header
        (3, 0),
        (6, 3),  # SPI size wrong for ESP
        (6, 8),
        (7, 0),  # fewer transforms than there are
        (7, 2),  # more
        (12, 3),  # says another transform follows
        (12, 2),  # a proposal's mark
        (15, 0),
        (15, 7),
        (15, 9),
    ],
)
def test_a_proposal_whose_bytes_disagree_is_refused(place, value):
    data = bytearray(GOOD)
    data[place] = value
    with pytest.raises(MalformedError):
        decode_proposals(Reader(bytes(data)))


def test_proposal_numbers_count_up():
    second = bytearray(GOOD)
    second[4] = 3
    with pytest.raises(MalformedError, match="do not count up"):
        decode_proposals(Reader(b"\x02" + GOOD[1:] + bytes(second)))
    with pytest.raises(MalformedError, match="without proposals"):
        decode_proposals(Reader(b""))


def test_reserved_bytes_are_ignored():
    data = bytearray(GOOD)
    for place in (1, 13, 17):
        data[place] = 0xFF
    assert decode_proposals(Reader(bytes(data))) == decode_proposals(Reader(GOOD))


@pytest.mark.parametrize(
    ("ike", "esp"),
    [
        ("aes256gcm16", ["aes256gcm16", "aes128gcm16", "chacha20poly1305"]),
        ("chacha20poly1305", ["aes256gcm16", "aes128gcm16", "chacha20poly1305"]),
        ("aes128gcm16", ["aes128gcm16"]),
    ],
)
def test_packets_get_no_stronger_cipher_than_the_ike_sa_that_makes_their_keys(ike, esp):
    (cipher,) = parse(ike, ProtocolId.ESP).of(TransformType.ENCR)
    assert [proposal.format(one) for one in proposal.no_stronger_than(cipher, ESP_DEFAULT)] == esp
