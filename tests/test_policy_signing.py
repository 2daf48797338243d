"""A policy's signature file: written once, and anything else than it is refused with one clause."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.policy.signing import SignatureRefused, demand_signature, signature_of
from ike.crypto.detached import SigningKey

KEY, OTHER = SigningKey.of(b"1" * 32), SigningKey.of(b"2" * 32)
POLICY = b"serial: 1\n"
SIGNATURE = signature_of(POLICY, KEY)


def why(policy: bytes = POLICY, signature: bytes | None = SIGNATURE, trusted: tuple[SigningKey, ...] = (KEY,)) -> str:
    with pytest.raises(SignatureRefused) as refused:
        demand_signature(policy, signature, [key.public for key in trusted])
    return str(refused.value)


def test_a_signature_is_three_lines_of_text():
    heading, key, signature = SIGNATURE.decode().splitlines()
    assert heading == "sekisho-policy-signature 1"
    assert key == f"key: {KEY.digest}"
    assert len(signature) == len("signature: ") + 88


def test_any_of_the_trusted_keys_may_have_signed():
    demand_signature(POLICY, SIGNATURE, [OTHER.public, KEY.public])
    demand_signature(POLICY, SIGNATURE.rstrip(), [KEY.public])


def test_what_is_not_signed_or_not_by_a_trusted_key_is_refused():
    assert why(signature=None) == "it is not signed"
    assert (
        why(trusted=()) == why(trusted=(OTHER,)) == f"the key that signed it is not trusted here ({KEY.digest[:16]}...)"
    )


def test_a_signature_of_other_bytes_or_by_another_key_under_a_trusted_name_does_not_fit():
    assert "does not fit" in why(policy=POLICY + b" ")
    named = signature_of(POLICY, OTHER).replace(OTHER.digest.encode(), KEY.digest.encode())
    assert "does not fit" in why(signature=named)


def test_a_bare_signature_of_the_same_bytes_for_another_purpose_does_not_fit():
    class Elsewhere:
        digest = KEY.digest

        def sign(self, message: bytes) -> bytes:
            return KEY.sign(message.removeprefix(b"sekisho policy 1\0"))

    assert "does not fit" in why(signature=signature_of(POLICY, Elsewhere()))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE[:-3],
        SIGNATURE + b"\n",
        SIGNATURE.replace(b"\n", b"\r\n"),
        SIGNATURE.replace(b" 1\n", b" 2\n"),
        SIGNATURE.upper(),
        b"\n" + SIGNATURE,
    ],
)
def test_a_damaged_signature_file_is_told_as_such(signature: bytes):
    assert why(signature=signature) == "its signature file is damaged, or not one of ours"


@given(st.binary(max_size=300))
def test_garbage_is_no_signature(garbage: bytes):
    assert why(signature=garbage)


@given(st.integers(0, len(SIGNATURE) - 5), st.integers(1, 255))
def test_a_byte_changed_anywhere_is_refused(position: int, change: int):
    damaged = bytearray(SIGNATURE)
    damaged[position] ^= change
    assert why(signature=bytes(damaged))
