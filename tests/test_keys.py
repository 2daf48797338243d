"""Key derivation against NIST's vectors, and the cut of the stream for every suite."""

import hmac
import json
from pathlib import Path

import pytest

from ike.crypto import encryption_key_size, integrity_key_size
from ike.crypto import prf as prf_of
from ike.errors import ConfigError
from ike.keys import Suite, child_keymat, derive, derive_rekeyed
from ike.proposal import Proposal, Transform
from ike.registry import Encr, Esn, Group, Integ, Prf, ProtocolId, TransformType

NIST = json.loads((Path(__file__).parent / "vectors" / "ikev2_kdf.json").read_text())
NI, NR, GIR, GIR_NEW, SPI_I, SPI_R = (
    bytes.fromhex(NIST[name]) for name in ("ni", "nr", "gir", "gir_new", "spi_i", "spi_r")
)
STREAM = bytes.fromhex(NIST["dkm"])
SHA256 = Transform(TransformType.PRF, Prf.HMAC_SHA2_256)
SHA384 = Transform(TransformType.PRF, Prf.HMAC_SHA2_384)
SHA512 = Transform(TransformType.PRF, Prf.HMAC_SHA2_512)
GCM = Transform(TransformType.ENCR, Encr.AES_GCM_16, 256)
CBC = Transform(TransformType.ENCR, Encr.AES_CBC, 128)
HMAC_256 = Transform(TransformType.INTEG, Integ.HMAC_SHA2_256_128)
IKE_GCM = Suite(GCM, SHA256, None, Group.ECP_256, esn=False)
IKE_CBC = Suite(CBC, SHA256, HMAC_256, Group.MODP_2048, esn=False)
ESP_GCM = Suite(GCM, None, None, None, esn=False)
ESP_CBC = Suite(CBC, None, HMAC_256, None, esn=False)


def test_the_first_keys_of_an_aead_suite_are_nists_stream_cut_in_order() -> None:
    keys = derive(IKE_GCM, GIR, NI, NR, SPI_I, SPI_R)
    assert (keys.sk_ai, keys.sk_ar) == (b"", b"")
    assert keys.sk_d + keys.sk_ei + keys.sk_er + keys.sk_pi + keys.sk_pr == STREAM[:168]
    assert [len(key) for key in (keys.sk_d, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr)] == [32, 36, 36, 32, 32]


def test_the_first_keys_of_a_cbc_suite_have_integrity_keys_before_cipher_keys() -> None:
    keys = derive(IKE_CBC, GIR, NI, NR, SPI_I, SPI_R)
    order = (keys.sk_d, keys.sk_ai, keys.sk_ar, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr)
    assert b"".join(order) == STREAM[:192]
    assert [len(key) for key in order] == [32, 32, 32, 16, 16, 32, 32]


def test_a_rekeyed_ike_sa_starts_from_the_old_sk_d() -> None:
    old = STREAM[:32]
    keys = derive_rekeyed(SHA256, old, IKE_GCM, GIR_NEW, NI, NR, SPI_I, SPI_R)
    stream = prf_of(SHA256).plus(bytes.fromhex(NIST["skeyseed_rekey"]), NI + NR + SPI_I + SPI_R, 168)
    assert keys.sk_d + keys.sk_ei + keys.sk_er + keys.sk_pi + keys.sk_pr == stream


def test_a_rekeyed_ike_sa_seeds_with_the_old_prf_and_spreads_with_the_new_one() -> None:
    suite = Suite(GCM, SHA512, None, Group.ECP_384, esn=False)
    keys = derive_rekeyed(SHA384, b"old", suite, b"shared", b"ni", b"nr", SPI_I, SPI_R)
    seed = hmac.new(b"old", b"sharedninr", "sha384").digest()
    assert keys.sk_d == hmac.new(seed, b"ninr" + SPI_I + SPI_R + b"\x01", "sha512").digest()


def test_a_childs_keys_go_initiator_first() -> None:
    keys = child_keymat(SHA256, STREAM[:32], ESP_GCM, NI, NR)
    assert (keys.initiator_to_responder + keys.responder_to_initiator).hex() == NIST["dkm_child"][:144]
    assert len(keys.initiator_to_responder) == 36
    assert keys.integrity_initiator_to_responder == keys.integrity_responder_to_initiator == b""


def test_a_childs_integrity_key_follows_its_cipher_key() -> None:
    keys = child_keymat(SHA256, STREAM[:32], ESP_CBC, NI, NR)
    order = (
        keys.initiator_to_responder,
        keys.integrity_initiator_to_responder,
        keys.responder_to_initiator,
        keys.integrity_responder_to_initiator,
    )
    assert b"".join(order).hex() == NIST["dkm_child"][:192]
    assert [len(key) for key in order] == [16, 32, 16, 32]


def test_a_child_with_its_own_key_exchange_mixes_it_in_first() -> None:
    keys = child_keymat(SHA256, STREAM[:32], ESP_GCM, NI, NR, GIR_NEW)
    assert (keys.initiator_to_responder + keys.responder_to_initiator).hex() == NIST["dkm_child_dh"][:144]


@pytest.mark.parametrize("prf", [SHA256, SHA384, SHA512])
@pytest.mark.parametrize("encr", [GCM, CBC])
def test_every_suite_gets_keys_of_its_own_lengths(prf: Transform, encr: Transform) -> None:
    integ = HMAC_256 if encr is CBC else None
    keys = derive(Suite(encr, prf, integ, Group.ECP_384, esn=False), b"shared", b"i" * 32, b"r" * 32, SPI_I, SPI_R)
    size = prf_of(prf).size
    assert {len(keys.sk_d), len(keys.sk_pi), len(keys.sk_pr)} == {size}
    assert {len(keys.sk_ei), len(keys.sk_er)} == {encryption_key_size(encr)}
    assert {len(keys.sk_ai), len(keys.sk_ar)} == {integrity_key_size(integ)}
    assert len({keys.sk_d, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr}) == 5


def proposal(*transforms: Transform) -> Proposal:
    """Make a chosen proposal."""
    return Proposal(1, ProtocolId.ESP, b"spi!", transforms)


def test_a_suite_is_read_from_a_chosen_proposal() -> None:
    group = Transform(TransformType.KE, Group.ECP_384)
    esn = Transform(TransformType.ESN, Esn.ESN)
    assert Suite.of(proposal(GCM, SHA384, group)) == Suite(GCM, SHA384, None, Group.ECP_384, esn=False)
    assert Suite.of(proposal(CBC, HMAC_256, esn)) == Suite(CBC, None, HMAC_256, None, esn=True)


def test_none_as_a_number_is_none() -> None:
    nothing = (
        Transform(TransformType.INTEG, Integ.NONE),
        Transform(TransformType.KE, Group.NONE),
        Transform(TransformType.ESN, Esn.NO_ESN),
    )
    assert Suite.of(proposal(GCM, *nothing)) == ESP_GCM


def test_a_proposal_without_a_cipher_or_with_two_is_no_suite() -> None:
    for transforms in ((SHA256,), (GCM, CBC), ()):
        with pytest.raises(ConfigError, match="one cipher"):
            Suite.of(proposal(*transforms))


def test_an_ike_suite_needs_a_prf() -> None:
    with pytest.raises(ConfigError, match="pseudorandom"):
        derive(ESP_GCM, b"shared", NI, NR, SPI_I, SPI_R)


def test_keys_never_show() -> None:
    keys = derive(IKE_CBC, GIR, NI, NR, SPI_I, SPI_R)
    child = child_keymat(SHA256, keys.sk_d, ESP_CBC, NI, NR)
    assert (repr(keys), repr(child)) == ("IkeKeys()", "ChildKeys()")
