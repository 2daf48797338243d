"""A policy's signature as the text of a file beside it, and whether a trusted key made it.

It holds no key and knows no algorithm: whoever asks brings keys that sign or verify bytes.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Protocol


class Verifier(Protocol):
    """A public key; `digest` is the SHA-256 of its raw bytes, in hex."""

    @property
    def digest(self) -> str:
        """Name the key."""
        ...

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this key made the signature over the message."""
        ...


class Signer(Protocol):
    """A private key, named as its public half."""

    @property
    def digest(self) -> str:
        """Name the key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Sign a message; the signature has 64 bytes."""
        ...


class SignatureRefused(ValueError):
    """A policy is not signed as it must be; the text says why in one clause."""


def signature_of(policy: bytes, key: Signer) -> bytes:
    """Write the signature file of a policy."""
    signature = b64encode(key.sign(DOMAIN + policy)).decode()
    return f"{HEADING}\nkey: {key.digest}\nsignature: {signature}\n".encode()


def demand_signature(policy: bytes, signature: bytes | None, trusted: Sequence[Verifier]) -> None:
    """Raise `SignatureRefused` unless the signature file was written for exactly these bytes by a trusted key."""
    if signature is None:
        raise SignatureRefused("it is not signed")
    written = re.fullmatch(FORM, signature)
    if written is None:
        raise SignatureRefused("its signature file is damaged, or not one of ours")
    named, made = written[1].decode(), b64decode(written[2])
    key = next((key for key in trusted if key.digest == named), None)
    if key is None:
        raise SignatureRefused(f"the key that signed it is not trusted here ({named[:16]}...)")
    if not key.verifies(DOMAIN + policy, made):
        raise SignatureRefused("its signature does not fit: the policy or the signature was changed")


# Our choices.
SUFFIX = ".sig"
HEADING = "sekisho-policy-signature 1"
DOMAIN = b"sekisho policy 1\0"
LARGEST_SIGNATURE = 1024
FORM = HEADING.encode() + rb"\nkey: ([0-9a-f]{64})\nsignature: ([A-Za-z0-9+/]{86}==)\n?"
