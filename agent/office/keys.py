"""The hospital's key for policies: made, kept in a file of its owner alone, used to sign and to verify.

A key that is there is never written over.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from agent.posture.policy.signing import LARGEST_SIGNATURE, SUFFIX, demand_signature, signature_of
from ike.crypto.detached import SigningKey, VerifyingKey, load_signing_key, load_verifying_key
from ike.errors import ConfigError


def make(name: Path) -> tuple[Path, Path, SigningKey]:
    """Make a key pair: NAME.key for the desk, NAME.pem for the laptops; raise OSError where one is there already."""
    private, public = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pem")
    key = SigningKey.of(os.urandom(SEED_SIZE))
    _write_new(private, key.pem, 0o600)
    try:
        _write_new(public, key.public.pem, 0o644)
    except OSError:
        private.unlink()
        raise
    return private, public, key


def sign(key_file: Path, policy: Path) -> tuple[Path, SigningKey]:
    """Write the signature file of a policy beside it; raise OSError, or ValueError with one clause why not."""
    key = _signing_key(key_file)
    beside = _beside(policy)
    beside.write_bytes(signature_of(read(policy), key))
    return beside, key


def verify(key_files: Sequence[Path], policy: Path) -> None:
    """Raise OSError, or ValueError with one clause, unless one of the keys signed the policy."""
    keys = [_verifying_key(path) for path in key_files]
    beside = _beside(policy)
    signature = read(beside, LARGEST_SIGNATURE) if beside.exists() else None
    demand_signature(read(policy), signature, keys)


def read(path: Path, most: int = 1 << 20) -> bytes:
    """Read a file of at most `most` bytes; raise OSError, or ValueError for a larger one."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} is larger than {most} bytes")
    return content


def _beside(policy: Path) -> Path:
    return policy.with_name(policy.name + SUFFIX)


def _signing_key(path: Path) -> SigningKey:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} can be used by others on this computer; chmod 600 mends it")
    try:
        return load_signing_key(read(path, LARGEST_KEY))
    except ConfigError as error:
        raise ValueError(f"{path}: {error.detail}") from error


def _verifying_key(path: Path) -> VerifyingKey:
    try:
        return load_verifying_key(read(path, LARGEST_KEY))
    except ConfigError as error:
        raise ValueError(f"{path}: {error.detail}") from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


# Our choices, in bytes.
SEED_SIZE = 32
LARGEST_KEY = 1 << 14
