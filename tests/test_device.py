"""All probes of the laptop itself together: on this machine, on none, and in what the helper says to the daemon."""

import os
import time
from pathlib import Path

import pytest

from agent.boot_clock import boot_clock
from agent.posture.facts import Observed, Unseen
from agent.probes.codec import Asked, FactName, Looked, Scope, Seen, decode, encode
from agent.probes.device import device_probes
from agent.probes.small_files import UnreadableError, list_names, read_small, read_word
from tests.made_machine import Machine

NAMES: tuple[FactName, ...] = ("antimalware", "storage", "locking", "usb", "clock", "boot")
SCOPE = Scope(
    frozenset({0, 1000}), scanners=(Asked("ClamAV", "clamav-daemon.service", "/var/lib/clamav"),), folders=("/srv/v",)
)


def looked(root: Path, proc: Path) -> dict[FactName, Seen]:
    probes = device_probes(root, proc, boot_clock, time.time)
    return {name: probes[name](SCOPE) for name in NAMES}


def test_this_machine_is_looked_at_and_what_was_seen_reaches_the_daemon_unchanged():
    facts = looked(Path("/"), Path("/proc"))
    assert isinstance(facts["storage"], Observed)
    assert decode(encode(Looked(facts))) == Looked(facts)


@pytest.mark.parametrize("kind", ["empty", "folders", "pipes"])
def test_a_machine_of_which_nothing_is_as_expected_is_answered_and_never_raises(tmp_path: Path, kind: str):
    machine = Machine(tmp_path)
    places = [path for path in tmp_path.rglob("*") if path.is_file()]
    for place in places:
        place.unlink()
        if kind == "folders":
            place.mkdir()
        elif kind == "pipes":
            os.mkfifo(place)
    facts = looked(machine.root, machine.proc)
    assert all(isinstance(facts[name], Unseen) for name in ("antimalware", "storage", "locking", "usb"))
    assert all(facts[name].at > 0 for name in NAMES)


def test_a_small_file_is_read_whole_or_not_at_all(tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes(b" \xff\n")
    assert (read_small(file, 3), read_word(file)) == (b" \xff\n", "\\xff")
    assert (read_small(tmp_path / "none"), read_word(file / "below"), list_names(file)) == (None, "", ())
    with pytest.raises(UnreadableError, match="larger than 2 bytes"):
        read_small(file, 2)
    with pytest.raises(UnreadableError, match="no regular file"):
        read_small(tmp_path)
    with pytest.raises(UnreadableError, match="ValueError"):
        read_small(tmp_path / "a\0b")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UnreadableError, match="symbolic links"):
        read_small(loop)
