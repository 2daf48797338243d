"""Hashes that outlive a restart: never for a file that others than root change, and never believed when damaged."""

import json
import os
import stat
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probes import digests
from agent.probes.digest_store import LARGEST_STORE, MOST_STORED, read_hashes, write_hashes
from agent.probes.digests import Digests
from agent.probes.processes import File, Image, examine
from agent.probes.volumes import Volumes

FILE = File(1, 2, 3, 4, 5, False)
HASH = "0" * 64
LATER = 10 * digests.SETTLED_NS


class Shop:
    """A folder with one program and a store; each `open` is another life of the helper, a while later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "cache"
        self.program = folder / "program"
        self.program.write_bytes(b"one")
        self.program.chmod(0o755)

    def open(self, later: int = LATER, places: tuple[str, ...] | None = None) -> Digests:
        volumes = Volumes(places=(str(self.folder),) if places is None else places)
        made = Digests(lambda: time.time_ns() + later, volumes, self.store)
        made.prepare()
        return made

    def digest(self, made: Digests) -> str | None:
        path = os.fsencode(self.program)
        return made.of(os.open("/", os.O_RDONLY), Image(path, path, examine(path), ours=True)).sha256

    def known(self, made: Digests) -> bool:
        """Tell whether a hash is known without the file: it is asked for where nothing can be read."""
        image = Image(b"", b"/nothing/here", examine(os.fsencode(self.program)), ours=True)
        return made.of(os.open("/", os.O_RDONLY), image).sha256 is not None


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    first = made.open()
    assert made.digest(first) == sha256(b"one").hexdigest()
    first.save()
    return made


def test_a_hash_outlives_a_restart(shop: Shop) -> None:
    assert shop.known(shop.open())
    assert stat.S_IMODE(shop.store.stat().st_mode) == 0o600


def test_a_program_that_was_changed_and_whose_time_was_set_back_is_hashed_anew(shop: Shop) -> None:
    before = shop.program.stat()
    shop.program.write_bytes(b"two")
    os.utime(shop.program, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = shop.program.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)
    second = shop.open()
    assert not shop.known(second)
    assert shop.digest(second) == sha256(b"two").hexdigest()


def test_another_file_moved_into_its_place_is_hashed_anew(shop: Shop) -> None:
    other = shop.folder / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(0, shop.program.stat().st_mtime_ns))
    other.replace(shop.program)
    assert not shop.known(shop.open())


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_program_that_others_may_write_is_not_stored(tmp_path: Path, mode: int) -> None:
    made = Shop(tmp_path)
    made.program.chmod(mode)
    first = made.open()
    made.digest(first)
    first.save()
    assert made.known(first)
    assert not made.store.exists()


@pytest.mark.lab
def test_a_users_program_is_not_stored(tmp_path: Path) -> None:
    made = Shop(tmp_path)
    os.chown(made.program, 1000, 1000)
    first = made.open()
    made.digest(first)
    first.save()
    assert not made.store.exists()


def test_a_program_elsewhere_than_the_system_is_neither_remembered_nor_stored(tmp_path: Path) -> None:
    made = Shop(tmp_path)
    first = made.open(places=("/proc",))
    assert made.digest(first) == sha256(b"one").hexdigest()
    assert not made.known(first)
    first.save()
    assert not made.store.exists()


def test_a_stored_hash_counts_for_nothing_where_the_system_no_longer_lies(shop: Shop) -> None:
    assert not shop.known(shop.open(places=("/proc",)))


def test_a_stored_hash_of_a_time_that_has_not_come_is_dropped(shop: Shop) -> None:
    """The clock was wrong then, or is wrong now: another change may carry the same time."""
    assert not shop.known(shop.open(later=-3_600_000_000_000))


def test_what_has_not_changed_is_not_written_again(shop: Shop) -> None:
    before = shop.store.stat().st_ino
    second = shop.open()
    shop.digest(second)
    second.save()
    assert shop.store.stat().st_ino == before


def test_a_store_that_cannot_be_written_is_told_and_the_hashes_stay(tmp_path: Path) -> None:
    made = Shop(tmp_path)
    made.store = tmp_path / "none" / "cache"
    first = made.open()
    made.digest(first)
    with pytest.raises(FileNotFoundError):
        first.save()
    assert made.known(first)


def test_a_store_without_a_place_keeps_nothing(tmp_path: Path) -> None:
    made = Digests(time.time_ns)
    made.prepare()
    made.save()
    assert list(tmp_path.iterdir()) == []


def _truncate(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:-9])


def _link(store: Path) -> None:
    store.rename(store.with_name("elsewhere"))
    store.symlink_to(store.with_name("elsewhere"))


def _replace_by_pipe(store: Path) -> None:
    store.unlink()
    os.mkfifo(store)


def _spoil_hash(store: Path) -> None:
    body = json.loads(store.read_bytes())
    body["hashes"][0]["sha256"] = "g" * 64
    store.write_text(json.dumps(body))


def _add_field(store: Path) -> None:
    store.write_text(json.dumps({**json.loads(store.read_bytes()), "more": 1}))


@pytest.mark.parametrize(
    "spoil",
    [
        _truncate,
        _link,
        _replace_by_pipe,
        _spoil_hash,
        _add_field,
        lambda store: store.chmod(0o620),
        lambda store: store.chmod(0o602),
        lambda store: os.chown(store, 1000, 1000),
        lambda store: store.write_bytes(b" " * (LARGEST_STORE + 1)),
        lambda store: store.write_bytes(b"[" * 100_000),
        lambda store: store.write_bytes(b"\xff\x00"),
        lambda store: store.write_bytes(b""),
        lambda store: store.unlink(),
    ],
)
@pytest.mark.lab
def test_a_store_that_is_damaged_or_not_surely_ours_is_none(shop: Shop, spoil: Callable[[Path], object]) -> None:
    assert len(read_hashes(shop.store)) == 1
    spoil(shop.store)
    assert read_hashes(shop.store) == {}
    assert shop.digest(shop.open()) == sha256(b"one").hexdigest()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_store_or_none(tmp_path_factory: pytest.TempPathFactory, said: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "cache"
    path.write_bytes(said)
    assert read_hashes(path) == {}


def test_the_most_that_is_remembered_can_be_read_back(tmp_path: Path) -> None:
    most = (1 << 64) - 1
    full = {File(most, number, most, most, most, False): HASH for number in range(MOST_STORED)}
    write_hashes(tmp_path / "cache", full.items())
    assert read_hashes(tmp_path / "cache") == full


def test_a_half_written_store_of_before_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "cache.new").write_bytes(b"half")
    write_hashes(tmp_path / "cache", [(FILE, HASH)])
    assert read_hashes(tmp_path / "cache") == {FILE: HASH}
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


MOUNTS = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:50 / /home rw - fuse.sshfs doctor@elsewhere rw
3 1 0:51 / /opt rw - nfs4 server:/opt rw
4 1 8:2 / /usr rw - btrfs /dev/sda2 rw
"""


def test_only_what_the_kernel_itself_keeps_below_the_systems_places_is_the_systems(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "mountinfo").write_text(MOUNTS)
    device = Path("/").stat().st_dev
    assert Volumes(tmp_path, ("/",)).hold(device)
    assert Volumes(tmp_path, ("/usr",)).hold(Path("/usr").stat().st_dev)
    assert not Volumes(tmp_path, ("/home", "/opt")).hold(device)
    assert not Volumes(tmp_path, ("/",)).hold(Path("/proc").stat().st_dev)
    assert not Volumes(tmp_path / "none", ("/",)).hold(device)
