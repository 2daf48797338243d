"""The files of a policy: found in their layers, believed for their owner and their signature, or only checked.

What a policy says is `agent.posture.policy`'s; which one is in force is `agent.daemon.policies`'.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from agent.daemon.files import read_bounded, read_trusted, why_unreadable
from agent.posture.policy import Policy, PolicyErrors, Source, load_layers
from agent.posture.policy.signing import LARGEST_SIGNATURE, SUFFIX, SignatureRefused, demand_signature
from ike.crypto.detached import VerifyingKey, load_verifying_key
from ike.errors import ConfigError

Layer = Literal["vendor", "local", "server"]
Read = Callable[[Path, int], bytes]


@dataclass(frozen=True, slots=True)
class Places:
    """Where policies lie, the lowest layer first, and the folder of the keys that must have signed them."""

    vendor: Path
    file: Path
    local: Path
    keys: Path


@dataclass(frozen=True, slots=True)
class Written:
    """One file of a policy as it was found, and the signature file beside it."""

    layer: Layer
    file: str
    text: bytes
    signature: bytes | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys whose signature counts; where any key was put, even an unusable one, signatures are `demanded`.

    `unusable` says of each key in one clause why it cannot be used: the others count all the same.
    """

    keys: tuple[VerifyingKey, ...] = ()
    demanded: bool = False
    unusable: tuple[str, ...] = ()


def find(places: Places, read: Read = read_trusted) -> tuple[Written, ...]:
    """Read what is on this machine, the lowest layer first; OSError or ValueError say what cannot be read."""
    vendor = [_written("vendor", path, read) for path in _listed(places.vendor, ".yaml")]
    single = [places.file] if _is_there(places.file) else []
    local = [_written("local", path, read) for path in (*single, *_listed(places.local, ".yaml"))]
    return (*vendor, *local)


def trust(folder: Path, read: Read = read_trusted) -> Trust:
    """Read the keys; OSError or ValueError say why the folder cannot be read."""
    keys: list[VerifyingKey] = []
    unusable: list[str] = []
    for path in _listed(folder, ".pem"):
        try:
            keys.append(load_verifying_key(read(path, LARGEST_KEY)))
        except ConfigError as error:
            unusable.append(f"{path}: {error.detail}")
        except (OSError, ValueError) as error:
            unusable.append(why_unreadable(error))
    return Trust(tuple(keys), bool(keys or unusable), tuple(unusable))


def together(files: tuple[Written, ...], trusted: Trust) -> Policy:
    """Make one policy of at least one file; raise `SignatureRefused` or `PolicyErrors`.

    What came from a server must be signed in any case, and the vendor's package never: it was root who installed it.
    """
    for one in files:
        if one.layer == "server" or (one.layer == "local" and trusted.demanded):
            _demand(one, trusted)
    return load_layers([Source(one.file, one.text) for one in files]).policy


def digest(files: tuple[Written, ...]) -> str:
    """Name these files: a single one by its SHA-256, several by that of their sums."""
    sums = [sha256(one.text).hexdigest() for one in files]
    return sums[0] if len(sums) == 1 else sha256("".join(sums).encode()).hexdigest()


def check_policy(places: Places) -> int:
    """Print all that is wrong with the policy on this machine and return 1; or say that nothing is, and return 0."""
    try:
        files = find(places, read_bounded)
        if not files:
            raise FileNotFoundError(2, "No such file or directory", str(places.file))
        trusted = trust(places.keys, read_bounded)
        policy = together(files, trusted)
    except (PolicyErrors, SignatureRefused) as wrong:
        print(wrong, file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"The policy cannot be read: {why_unreadable(error)}.", file=sys.stderr)
        return 1
    for why in trusted.unusable:
        print(f"A key for policies cannot be used: {why}.", file=sys.stderr)
    names = ", ".join(one.file for one in files)
    print(f"{names}: no errors; serial {policy.serial}, sites: {', '.join(policy.sites)}")
    return 1 if trusted.unusable else 0


def _written(layer: Layer, path: Path, read: Read) -> Written:
    signature = path.with_name(path.name + SUFFIX)
    text = read(path, LARGEST_POLICY)
    return Written(layer, str(path), text, read(signature, LARGEST_SIGNATURE) if _is_there(signature) else None)


def _listed(folder: Path, ending: str) -> list[Path]:
    """List the files of a folder that is there, by name."""
    found = sorted(_named(folder, ending)) if _is_there(folder) else []
    if len(found) > MOST_FILES:
        raise ValueError(f"{folder} holds {len(found)} files; {MOST_FILES} are the most that are read")
    return found


def _is_there(path: Path) -> bool:
    """Tell whether anything has this name: a link to nothing has, and whoever reads it is told so."""
    return path.is_symlink() or path.exists()


def _named(folder: Path, ending: str) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name.endswith(ending) and not path.name.startswith("."))


def _demand(one: Written, trusted: Trust) -> None:
    try:
        demand_signature(one.text, one.signature, trusted.keys)
    except SignatureRefused as refused:
        raise SignatureRefused(f"{one.file}: {refused}") from refused


# Our choices: bytes, and files of one layer.
LARGEST_POLICY = 1 << 20
LARGEST_KEY = 1 << 14
MOST_FILES = 32
