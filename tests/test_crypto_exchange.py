"""Key exchange against the RFCs' own vectors, and against public values no honest peer sends."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike.crypto import generate, modp
from ike.errors import ConfigError, PeerError
from ike.registry import Group

VECTORS = Path(__file__).parent / "vectors"
GROUPS = (14, 15, 16, 19, 20, 21, 31)
SIZES = {14: 256, 15: 384, 16: 512, 19: 64, 20: 96, 21: 132, 31: 32}


def seeded(seed: int) -> Callable[[int], bytes]:
    """Make dice that fall the same way each time."""
    return random.Random(seed).randbytes


def published(name: str) -> list[dict[str, str]]:
    """Read the vectors of a file."""
    found = json.loads((VECTORS / name).read_text())
    return [{key: str(value) for key, value in vector.items()} for vector in found["vectors"]]


def falling(number: bytes, bits: int) -> Callable[[int], bytes]:
    """Make dice that give a published private number; the spare bits of the last octet are filled."""
    spare = 8 * len(number) - bits
    return lambda _: (int.from_bytes(number) << spare).to_bytes(len(number))


@pytest.mark.parametrize("vector", published("ecp.json") + published("curve25519.json"), ids=lambda v: v["group"])
def test_published_private_values_give_the_published_public_and_shared_ones(vector: dict[str, str]) -> None:
    group = int(vector["group"])
    bits = 521 if group == Group.ECP_521 else 8 * len(vector["i"]) // 2
    initiator = generate(group, falling(bytes.fromhex(vector["i"]), bits))
    responder = generate(group, falling(bytes.fromhex(vector["r"]), bits))
    assert initiator.public.hex() == vector["gi"]
    assert responder.public.hex() == vector["gr"]
    assert initiator.shared(responder.public).hex() == vector["girx"]
    assert responder.shared(initiator.public).hex() == vector["girx"]


@pytest.mark.parametrize("group", GROUPS)
def test_both_sides_agree_and_the_same_dice_give_the_same_value(group: int) -> None:
    ours, theirs = generate(group, seeded(1)), generate(group, seeded(2))
    assert ours.shared(theirs.public) == theirs.shared(ours.public)
    assert len(ours.public) == SIZES[group]
    assert generate(group, seeded(1)).public == ours.public != theirs.public


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("size", [0, 1, 31, 33, 63, 65, 95, 97, 131, 133, 255, 257, 511, 513, 65536])
def test_a_public_value_of_another_size_is_refused(group: int, size: int) -> None:
    with pytest.raises(PeerError, match="octets where its group needs"):
        generate(group, seeded(3)).shared(b"\x02" * size)


@pytest.mark.parametrize("group", [14, 15, 16])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_modp_value_next_to_the_prime_is_refused(group: int, offset: int) -> None:
    prime = modp.PRIMES[group]
    with pytest.raises(PeerError, match="outside its group"):
        generate(group, seeded(4)).shared((prime + offset).to_bytes(modp.size(group)))


@pytest.mark.parametrize("group", [14, 15, 16])
@pytest.mark.parametrize("value", [0, 1])
def test_a_modp_value_of_zero_or_one_is_refused(group: int, value: int) -> None:
    with pytest.raises(PeerError, match="outside its group"):
        generate(group, seeded(5)).shared(value.to_bytes(modp.size(group)))


@pytest.mark.parametrize("group", [14, 15, 16])
def test_a_modp_value_just_inside_its_group_is_taken(group: int) -> None:
    ours = generate(group, seeded(6))
    assert len(ours.shared((2).to_bytes(modp.size(group)))) == modp.size(group)
    assert len(ours.shared((modp.PRIMES[group] - 2).to_bytes(modp.size(group)))) == modp.size(group)


@pytest.mark.parametrize(("group", "bits", "k"), [(14, 2048, 124476), (15, 3072, 1690314), (16, 4096, 240904)])
def test_the_primes_are_those_that_rfc_3526_spells_with_pi(group: int, bits: int, k: int) -> None:
    prime = modp.PRIMES[group]
    assert prime == 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (pi_times_two_to_the(bits - 130) + k)


def pi_times_two_to_the(bits: int) -> int:
    """Compute floor(2^bits pi) by Machin's formula."""
    one = 1 << (bits + 64)

    def arctan_of_inverse(x: int) -> int:
        term = one // x
        total, divisor, sign = term, 1, 1
        while term:
            term //= x * x
            divisor, sign = divisor + 2, -sign
            total += sign * (term // divisor)
        return total

    return (4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))) >> 64


@pytest.mark.parametrize("group", [19, 20, 21])
def test_a_point_off_the_curve_is_refused(group: int) -> None:
    peer = bytearray(generate(group, seeded(7)).public)
    peer[-1] ^= 1
    with pytest.raises(PeerError, match="not a point"):
        generate(group, seeded(8)).shared(bytes(peer))


@pytest.mark.parametrize("group", [19, 20, 21])
def test_zeros_are_not_the_point_at_infinity(group: int) -> None:
    with pytest.raises(PeerError, match="not a point"):
        generate(group, seeded(8)).shared(bytes(SIZES[group]))


@pytest.mark.parametrize("group", [19, 20, 21])
def test_a_coordinate_above_the_prime_is_refused(group: int) -> None:
    with pytest.raises(PeerError, match="not a point"):
        generate(group, seeded(8)).shared(b"\xff" * SIZES[group])


@pytest.mark.parametrize(
    "point",
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ],
)
def test_a_curve25519_point_of_small_order_is_refused(point: str) -> None:
    with pytest.raises(PeerError, match="small order"):
        generate(Group.CURVE25519, seeded(9)).shared(bytes.fromhex(point))


@pytest.mark.parametrize("group", [0, 1, 2, 5, 17, 22, 24, 25, 32, 36, 1031, 65535])
def test_a_group_we_do_not_speak_is_our_own_mistake(group: int) -> None:
    with pytest.raises(ConfigError, match="not supported"):
        generate(group, seeded(10))


@pytest.mark.parametrize("group", [19, 20, 21])
@pytest.mark.parametrize("octet", [b"\0", b"\xff"])
def test_broken_dice_end_in_a_sentence_not_in_a_loop(group: int, octet: bytes) -> None:
    with pytest.raises(ConfigError, match="random source"):
        generate(group, lambda size: octet * size)


@pytest.mark.parametrize("group", GROUPS)
def test_a_private_value_never_shows(group: int) -> None:
    ours = generate(group, seeded(11))
    assert not re.search("[0-9a-f]{17}", repr(ours))


@given(group=st.sampled_from(GROUPS), data=st.data())
def test_garbage_is_refused_or_agreed_on_but_never_another_error(group: int, data: st.DataObject) -> None:
    ours = generate(group, seeded(12))
    size = SIZES[group]
    garbage = data.draw(st.binary(max_size=40) | st.binary(min_size=size, max_size=size))
    try:
        shared = ours.shared(garbage)
    except PeerError:
        return
    assert len(shared) == (size // 2 if group in (19, 20, 21) else size)
