"""What seals the places of a laptop: every way down to the disk, and what cannot be followed is untold."""

import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Observed, Unseen
from agent.posture.facts.device import Seal, Volume
from agent.probes.block_chain import BlockChain, Ground
from agent.probes.mounts import find_mount, read_mounts, unescape
from agent.probes.storage import look_at_storage
from tests.made_machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def volumes(machine: Machine, uid: int = 1000, folders: tuple[str, ...] = ()) -> dict[str, Volume]:
    seen = look_at_storage(machine.root, machine.proc, lambda: 5.0, frozenset({uid}), folders)
    assert isinstance(seen, Observed)
    assert seen.at == 5.0
    return {volume.place: volume for volume in seen.value.volumes}


def below(machine: Machine, place: str) -> Ground:
    return BlockChain(machine.root, read_mounts(machine.proc)).below_place(place)


def test_a_usual_encrypted_laptop_is_sealed_everywhere_with_its_chain(machine: Machine):
    part = machine.partition("259:3", "nvme0n1p3", machine.disk("259:0", "nvme0n1"))
    crypt = machine.cipher("253:0", "dm-0", "LUKS2", part)
    machine.virtual("253:1", "dm-1", crypt)
    machine.virtual("253:2", "dm-2", crypt)
    machine.mounted("/", "253:1", "ext4", "/dev/mapper/vg-root")
    machine.swaps("/dev/dm-2                               partition\t1003516\t0\t-2")
    found = volumes(machine)
    assert {volume.seal for volume in found.values()} == {Seal.LUKS}
    assert list(found) == ["/", "/home", "/var/tmp", "home", "swap"]
    assert found["/"].chain == ("ext4", "dm-1", "dm-0")


def test_a_plain_disk_is_told_with_its_chain(machine: Machine):
    part = machine.partition("8:1", "sda1", machine.disk("8:0", "sda"))
    machine.mounted("/", "8:1", "ext4", "/dev/sda1")
    assert below(machine, "/") == Ground(Seal.NONE, ("ext4", "sda1", "sda"))
    assert part.endswith("block/sda/sda1")


def test_of_several_disks_the_one_without_a_seal_counts(machine: Machine):
    first, second = machine.disk("8:0", "sda"), machine.disk("8:16", "sdb")
    machine.virtual("9:0", "md0", machine.cipher("253:0", "dm-0", "LUKS1", first), second)
    machine.mounted("/home", "9:0", "xfs", "/dev/md0")
    assert below(machine, "/home") == Ground(Seal.NONE, ("xfs", "md0", "sdb"))


def test_a_cipher_without_luks_is_told_as_such_and_integrity_is_no_cipher(machine: Machine):
    machine.cipher("253:0", "dm-0", "PLAIN", machine.disk("8:0", "sda"))
    machine.cipher("253:1", "dm-1", "VERITY", machine.disk("8:16", "sdb"))
    machine.mounted("/a", "253:0", "ext4", "/dev/dm-0")
    machine.mounted("/b", "253:1", "ext4", "/dev/dm-1")
    assert below(machine, "/a").seal is Seal.DM_CRYPT
    assert below(machine, "/b") == Ground(Seal.NONE, ("ext4", "dm-1", "sdb"))


def test_a_loop_device_is_as_sealed_as_the_file_behind_it(machine: Machine):
    machine.cipher("253:0", "dm-0", "LUKS2", machine.disk("8:0", "sda"))
    machine.mounted("/data", "253:0", "ext4", "/dev/dm-0")
    loop = machine.virtual("7:0", "loop0")
    machine.write(f"{loop}/loop/backing_file", "/data/vault image.img\n")
    machine.mounted("/vault", "7:0", "ext4", "/dev/loop0")
    assert below(machine, "/vault") == Ground(Seal.LUKS, ("ext4", "loop0", "ext4", "dm-0"))


def test_btrfs_is_found_by_its_source_and_every_device_of_it_counts(machine: Machine):
    crypt = machine.cipher("253:0", "dm-0", "LUKS2", machine.disk("8:0", "sda"))
    machine.link("sys/fs/btrfs/1111-2222/devices/dm-0", crypt)
    machine.mounted("/home", "0:45", "btrfs", "/dev/mapper/dm-0-crypt")
    assert below(machine, "/home") == Ground(Seal.LUKS, ("btrfs", "dm-0"))
    machine.link("sys/fs/btrfs/1111-2222/devices/sdb", machine.disk("8:16", "sdb"))
    assert below(machine, "/home").seal is Seal.NONE


def test_an_overlay_is_as_sealed_as_the_layer_that_is_written_to(machine: Machine):
    machine.cipher("253:0", "dm-0", "LUKS2", machine.disk("8:0", "sda"))
    machine.mounted("/data", "253:0", "ext4", "/dev/dm-0")
    machine.mounted("/live", "0:50", "overlay", "overlay", inner="rw,lowerdir=/ro:/ro2,upperdir=/data/up")
    machine.mounted("/empty", "0:51", "overlay", "overlay", inner="ro")
    assert below(machine, "/live").seal is Seal.LUKS
    assert below(machine, "/empty").seal is Seal.UNTOLD


@pytest.mark.parametrize(
    ("device", "kind", "seal", "why"),
    [
        ("0:40", "tmpfs", Seal.MEMORY, ""),
        ("0:41", "zfs", Seal.UNTOLD, "the encryption of ZFS shows only to its own programs"),
        ("0:42", "fuse.gocryptfs", Seal.UNTOLD, "a program of its own stores it"),
        ("0:43", "nfs4", Seal.UNTOLD, "it lies on another computer"),
        ("0:44", "bcachefs", Seal.UNTOLD, "its kind of file system is not known"),
        ("8:99", "ext4", Seal.UNTOLD, "the kernel does not show what it lies on"),
    ],
)
def test_what_is_no_disk_or_cannot_be_followed_is_told_as_such(machine: Machine, device, kind, seal, why):
    machine.mounted("/home", device, kind, "thing")
    found = volumes(machine)["/home"]
    assert (found.seal, found.why, found.chain) == (seal, why, (kind.partition(".")[0],))


def test_swap_counts_only_where_it_is_used_and_compressed_memory_is_memory(machine: Machine):
    assert "swap" not in volumes(machine)
    zram = machine.virtual("252:0", "zram0")
    machine.swaps("/dev/zram0 partition 8388604 0 100")
    assert volumes(machine)["swap"].seal is Seal.MEMORY
    machine.disk("8:0", "sda")
    machine.write(f"{zram}/backing_dev", "/dev/sda\n")
    assert volumes(machine)["swap"].seal is Seal.NONE


def test_a_swap_file_is_as_sealed_as_the_place_where_it_lies(machine: Machine):
    machine.cipher("253:0", "dm-0", "LUKS2", machine.disk("8:0", "sda"))
    machine.mounted("/", "253:0", "ext4", "/dev/dm-0")
    machine.swaps(r"/swap\040file\040(deleted)            file\t1003516\t0\t-2")
    assert volumes(machine)["swap"] == Volume("swap", Seal.LUKS, ("ext4", "dm-0"))


def test_one_sealed_swap_does_not_hide_another_that_is_not(machine: Machine):
    machine.cipher("253:0", "dm-0", "PLAIN", machine.disk("8:0", "sda"))
    machine.disk("8:16", "sdb")
    machine.swaps("/dev/dm-0 partition 1 0 -2", "/dev/sdb partition 1 0 -3")
    assert volumes(machine)["swap"].seal is Seal.NONE


def test_a_home_on_its_own_disk_and_a_folder_of_the_policy_are_followed_through_links(machine: Machine):
    machine.cipher("253:0", "dm-0", "LUKS2", machine.disk("8:0", "sda"))
    machine.mounted("/data", "253:0", "ext4", "/dev/dm-0")
    machine.write("data/sato/.profile")
    machine.link("home/sato", "data/sato")
    found = volumes(machine, folders=("/data/vault/not/made/yet",))
    assert (found["home"].seal, found["/data/vault/not/made/yet"].seal) == (Seal.LUKS, Seal.LUKS)
    assert found["/home"].seal is Seal.UNTOLD


def test_a_user_without_a_local_account_is_told_by_the_folder_of_homes(machine: Machine):
    machine.mounted("/home", "0:43", "nfs", "server:/home")
    assert volumes(machine, uid=4711)["home"].why == "it lies on another computer"
    both = look_at_storage(machine.root, machine.proc, lambda: 5.0, frozenset({0, 4711}), ())
    assert isinstance(both, Observed)
    assert {volume.place: volume.seal for volume in both.value.volumes}["home"] is Seal.UNTOLD


def test_devices_that_lie_on_each_other_end_untold(machine: Machine):
    machine.virtual("253:0", "dm-0", machine.virtual("253:1", "dm-1"))
    machine.link("sys/devices/virtual/block/dm-1/slaves/dm-0", "sys/devices/virtual/block/dm-0")
    machine.mounted("/home", "253:0", "ext4", "/dev/dm-0")
    found = below(machine, "/home")
    assert (found.seal, found.why) == (Seal.UNTOLD, "the devices lie below each other in a circle")


def test_a_tower_of_devices_ends_untold(machine: Machine):
    tower = machine.disk("8:0", "sda")
    for number in range(100):
        tower = machine.virtual(f"253:{number}", f"dm-{number}", tower)
    machine.mounted("/home", "253:99", "ext4", "/dev/dm-99")
    assert below(machine, "/home").why == "too many devices lie below each other"


def test_without_a_list_of_mounts_nothing_is_claimed(tmp_path: Path):
    seen = look_at_storage(tmp_path, tmp_path, lambda: 5.0, frozenset({1000}), ())
    assert seen == Unseen("the mounted file systems could not be told: there is no list of them", 5.0)


def test_the_deepest_mount_counts_and_of_equals_the_last(machine: Machine):
    machine.mounted("/home", "8:1", "ext4", "/dev/sda1")
    machine.mounted(r"/home/sato\040b", "8:2", "xfs", "/dev/sda2")
    machine.mounted("/home", "8:3", "btrfs", "/dev/sda3")
    mounts = read_mounts(machine.proc)
    kinds = [getattr(find_mount(mounts, place), "kind", None) for place in ("/homes", "/home/x", "/home/sato b/c")]
    assert kinds == ["ext4", "btrfs", "xfs"]


@given(st.binary(max_size=400))
def test_any_bytes_as_a_list_of_mounts_are_read_or_passed_over(tmp_path_factory, content: bytes):
    folder = tmp_path_factory.mktemp("proc")
    (folder / "1").mkdir()
    (folder / "1/mountinfo").write_bytes(content)
    for mount in read_mounts(folder):
        assert mount.device is not None
    assert unescape(r"a\040b\x") == r"a b\x"


@pytest.mark.lab
def test_a_real_image_is_followed_through_its_loop_device_and_fscrypt_is_seen(tmp_path: Path):
    image, place = tmp_path / "image", tmp_path / "place"
    place.mkdir()
    image.write_bytes(b"")
    os.truncate(image, 32 << 20)
    subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-O", "encrypt", image], check=True)
    subprocess.run(["/usr/bin/mount", "-o", "loop", image, place], check=True)
    try:
        for name in ("plain", "sealed"):
            (place / name).mkdir()
        _seal(place / "sealed")
        chain = BlockChain(Path("/"), read_mounts(Path("/proc")))
        plain = chain.below_place(str(place / "plain"))
        assert plain.chain[0] == "ext4"
        assert plain.chain[1].startswith("loop")
        assert plain.chain[2:] == BlockChain(Path("/"), read_mounts(Path("/proc"))).below_place(str(tmp_path)).chain
        assert chain.below_place(str(place / "sealed")) == Ground(Seal.FSCRYPT, ("ext4",))
        assert chain.below_place(str(place / "sealed/later/still")).seal is Seal.FSCRYPT
    finally:
        subprocess.run(["/usr/bin/umount", place], check=True)


def _seal(folder: Path) -> None:
    """Add a key and a policy by the kernel's own calls (linux/fscrypt.h), as fscrypt's programs do."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        key = bytearray(struct.pack("=II32sII32s", 2, 0, b"", 64, 0, b"") + os.urandom(64))
        fcntl.ioctl(descriptor, 0xC0506617, key)
        fcntl.ioctl(descriptor, 0x800C6613, struct.pack("=BBBBB3s16s", 2, 1, 4, 3, 0, b"", bytes(key[8:24])))
    finally:
        os.close(descriptor)
