"""Interfaces by sysfs: cables, phones and modems told apart by what the kernel says of them."""

from pathlib import Path

import pytest

from agent.posture.facts import Links, Security, Wireless
from agent.probes.interfaces import read_interfaces


def add(
    sysfs: Path, name: str, *, state: str = "up", kind: str = "1", driver: str | None = None, uevent: str = ""
) -> Path:
    folder = sysfs / "class/net" / name
    folder.mkdir(parents=True)
    (folder / "operstate").write_text(f"{state}\n")
    (folder / "type").write_text(f"{kind}\n")
    (folder / "uevent").write_text(uevent)
    if driver is not None:
        (folder / "device").mkdir()
        (folder / "device/driver").symlink_to(f"../../../bus/usb/drivers/{driver}")
    return folder


@pytest.mark.parametrize(
    ("driver", "uevent", "expected"),
    [
        ("e1000e", "", "wired"),
        ("r8152", "", "wired"),
        ("rndis_host", "", "tethered"),
        ("cdc_ncm", "", "tethered"),
        ("ipheth", "", "tethered"),
        ("cdc_mbim", "INTERFACE=x0\nDEVTYPE=wwan\n", "mobile"),
        ("btusb", "DEVTYPE=bluetooth\nINTERFACE=x0\n", "tethered"),
        (None, "DEVTYPE=bridge\n", "other"),
        (None, "", "other"),
    ],
)
def test_each_interface_is_what_the_kernel_says(tmp_path: Path, driver: str | None, uevent: str, expected: str):
    add(tmp_path, "x0", driver=driver, uevent=uevent)
    links = read_interfaces(tmp_path)
    assert getattr(links, expected) == ("x0",)
    assert links == Links((), **{expected: ("x0",)})


@pytest.mark.parametrize("sign", ["phy80211", "wireless"])
def test_wifi_is_in_use_by_what_only_others_can_tell(tmp_path: Path, sign: str):
    (add(tmp_path, "wlan0", driver="iwlwifi") / sign).mkdir()
    (add(tmp_path, "wlan1", driver="iwlwifi", state="down") / sign).mkdir()
    assert read_interfaces(tmp_path) == Links((Wireless("wlan0", b"", "", Security.UNKNOWN),))


def test_more_interfaces_than_a_laptop_has_are_an_error_and_never_fewer(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("agent.probes.interfaces.MOST_INTERFACES", 2)
    for name in ("eth0", "veth0"):
        add(tmp_path, name, driver="e1000e")
    assert len(read_interfaces(tmp_path).wired) == 2
    add(tmp_path, "wwan0", uevent="DEVTYPE=wwan\n")
    with pytest.raises(OSError, match="more than 2"):
        read_interfaces(tmp_path)


def test_the_loopback_and_what_is_down_are_left_out(tmp_path: Path):
    (tmp_path / "class/net").mkdir(parents=True)
    (tmp_path / "class/net/bonding_masters").write_text("bond0")
    add(tmp_path, "lo", kind="772", state="unknown")
    add(tmp_path, "eth0", driver="e1000e", state="down")
    add(tmp_path, "tun0", kind="65534", state="unknown")
    assert read_interfaces(tmp_path) == Links((), other=("tun0",))


def test_a_missing_sysfs_is_an_error_and_never_no_interface(tmp_path: Path):
    with pytest.raises(OSError, match="No such file"):
        read_interfaces(tmp_path / "none")
