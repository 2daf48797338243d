"""Which disks can be taken away, what they carry, and whether the drivers for them are barred."""

from pathlib import Path

import pytest

from agent.posture.facts import Observed, Told, Unseen, UsbStorage
from agent.posture.facts.device import RemovableDisk
from agent.probes.usb import look_at_usb
from tests.made_machine import Machine

STICK = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.disk("254:0", "vda", "pci0000:00/0000:00:02.0/virtio1")
    return made


def looked(machine: Machine) -> UsbStorage:
    seen = look_at_usb(machine.root, machine.proc, lambda: 5.0)
    assert isinstance(seen, Observed)
    return seen.value


def plug_in(machine: Machine) -> str:
    return machine.partition("8:17", "sdb1", machine.disk("8:16", "sdb", STICK))


def test_a_built_in_disk_is_not_told(machine: Machine):
    assert looked(machine).disks == ()


def test_a_stick_is_told_by_its_bus_before_it_is_used(machine: Machine):
    plug_in(machine)
    assert looked(machine).disks == (RemovableDisk("sdb", mounted=False, writable=False, sealed=Told.UNTOLD),)


@pytest.mark.parametrize(("options", "writable"), [("rw,nosuid,nodev", True), ("ro,nosuid,nodev", False)])
def test_a_stick_in_use_is_told_with_what_can_be_done_to_it(machine: Machine, options: str, writable: bool):
    plug_in(machine)
    machine.mounted(r"/media/sato/MY\040STICK", "8:17", "vfat", "/dev/sdb1", options)
    assert looked(machine).disks == (RemovableDisk("sdb", mounted=True, writable=writable, sealed=Told.NO),)


def test_a_stick_with_its_switch_on_cannot_be_written_to(machine: Machine):
    plug_in(machine)
    machine.write(f"sys/devices/{STICK}/block/sdb/ro", "1\n")
    machine.mounted("/media/sato/STICK", "8:17", "vfat", "/dev/sdb1")
    assert not looked(machine).disks[0].writable


def test_an_encrypted_stick_is_sealed_as_long_as_nothing_else_of_it_is_used(machine: Machine):
    stick = plug_in(machine)
    machine.cipher("253:5", "dm-5", "LUKS2", stick)
    machine.mounted("/media/sato/STICK", "0:77", "btrfs", "/dev/mapper/dm-5-crypt")
    assert looked(machine).disks == (RemovableDisk("sdb", mounted=True, writable=True, sealed=Told.YES),)
    machine.partition("8:18", "sdb2", f"sys/devices/{STICK}/block/sdb")
    machine.mounted("/media/sato/OTHER", "8:18", "ext4", "/dev/sdb2")
    assert looked(machine).disks[0].sealed is Told.NO


def test_cards_and_discs_count_and_empty_readers_do_not(machine: Machine):
    card = machine.disk("179:0", "mmcblk0", "pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001")
    machine.write(f"{card}/device/type", "SD\n")
    soldered = machine.disk("179:8", "mmcblk1", "pci0000:00/0000:00:1b.0/mmc_host/mmc1/mmc1:0001")
    machine.write(f"{soldered}/device/type", "MMC\n")
    disc = machine.disk("11:0", "sr0", "pci0000:00/0000:00:17.0/ata1/host1/target1:0:0/1:0:0:0")
    machine.write(f"{disc}/removable", "1\n")
    machine.disk("8:32", "sdc", STICK.replace("2-1", "2-2"), size=0)
    assert [disk.name for disk in looked(machine).disks] == ["mmcblk0", "sr0"]


def test_the_disk_that_the_system_runs_from_is_no_removable_one(machine: Machine):
    machine.mounted("/", "8:17", "ext4", "/dev/sdb1")
    plug_in(machine)
    assert looked(machine).disks == ()


@pytest.mark.parametrize(
    ("rules", "barred"),
    [
        ("", Told.NO),
        ("# install usb-storage /bin/false\n", Told.NO),
        ("install usb-storage /bin/false\n", Told.YES),
        ("install usb_storage /usr/bin/true # hospital\n", Told.YES),
        ("install usb-storage /sbin/modprobe --ignore-install usb-storage\n", Told.NO),
        ("install usb-storage /bin/false || /sbin/modprobe --ignore-install usb-storage\n", Told.NO),
        ("install usb-storage /bin/true; /sbin/modprobe --ignore-install usb-storage\n", Told.NO),
        ("blacklist usb-storage\n", Told.NO),
        ("blacklist usb-storage\nblacklist uas\n", Told.YES),
        ("install uas /bin/true\n", Told.NO),
    ],
)
def test_drivers_are_barred_by_rules_that_nothing_gets_round(machine: Machine, rules: str, barred: Told):
    machine.write("etc/modprobe.d/hospital.conf", rules)
    assert looked(machine).barred is barred


def test_a_driver_that_is_loaded_or_built_in_is_not_barred(machine: Machine):
    machine.write("etc/modprobe.d/hospital.conf", "install usb-storage /bin/false\n")
    machine.write("sys/module/usb_storage/refcnt", "0\n")
    assert looked(machine).barred is Told.NO


def test_a_file_of_rules_in_an_earlier_folder_hides_that_of_a_later_one(machine: Machine):
    machine.write("usr/lib/modprobe.d/usb.conf", "install usb-storage /bin/false\n")
    machine.write("usr/lib/modprobe.d/readme", "install usb-storage /bin/false\n")
    assert looked(machine).barred is Told.YES
    machine.write("etc/modprobe.d/usb.conf", "")
    assert looked(machine).barred is Told.NO


def test_usbguard_bars_only_while_it_runs(machine: Machine):
    machine.write("etc/usbguard/usbguard-daemon.conf", "")
    assert looked(machine).barred is Told.UNTOLD
    machine.service("usbguard.service")
    assert looked(machine).barred is Told.UNTOLD
    machine.service("usbguard.service", 811)
    assert looked(machine).barred is Told.YES


def test_without_a_list_of_mounts_nothing_is_claimed(tmp_path: Path):
    seen = look_at_usb(tmp_path, tmp_path, lambda: 5.0)
    assert seen == Unseen("the plugged-in disks could not be looked at: there is no list of them", 5.0)
