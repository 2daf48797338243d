"""Knows a private system bus with NetworkManager on it, played by python-dbusmock, and the access points in range.

Never speaks to the machine's own system bus. The template's gaps are filled as NetworkManager 1.42 would answer.
"""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Self

from tests.lab.laptop import BUS_SOCKET, Laptop
from tests.lab.run import Program, Run, run_command, try_command


class Security(Enum):
    """What an access point announces: (Flags, WpaFlags, RsnFlags) of NetworkManager's AccessPoint."""

    OPEN = (0, 0, 0)
    OWE = (0, 0, 0x888)
    WEP = (1, 0, 0)
    WPA1_TKIP = (1, 0x144, 0)
    WPA2_PSK = (1, 0, 0x188)
    WPA2_WPA3 = (1, 0, 0x588)
    WPA3_SAE = (1, 0, 0x488)
    ENTERPRISE = (1, 0, 0x288)


@dataclass(frozen=True)
class AccessPoint:
    """An access point in range, and the stored connection that joins it."""

    ssid: str
    path: str
    connection: str


@dataclass
class Wifi:
    """NetworkManager with one wireless device, wlan0."""

    address: str
    laptop: Laptop = field(repr=False)
    manager: Program | None = field(default=None, repr=False)
    joined: AccessPoint | None = None
    _known: int = 0

    @classmethod
    def start(cls, run: Run, laptop: Laptop) -> Self:
        """Start the laptop's system bus and NetworkManager, with wlan0 there but not connected."""
        socket = run.path(BUS_SOCKET)
        wifi = cls(f"unix:path={socket}", laptop)
        bus = laptop.start("dbus", (DBUS_DAEMON, f"--config-file={_bus_config(run, socket)}", "--nofork"))
        bus.wait_ready(socket.exists, START_SECONDS)
        wifi.start_manager()
        return wifi

    def start_manager(self) -> None:
        """Start NetworkManager, with wlan0 there and nothing in range."""
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self.manager = self.laptop.start("networkmanager", MOCK, env=environment)
        self.manager.wait_ready(self._is_there, START_SECONDS)
        self._prepare()

    def end_manager(self) -> None:
        """End NetworkManager; the bus stays."""
        if self.manager is not None:
            self.manager.stop()
        self.joined = None

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Have NetworkManager answer nobody for a while; it stays on the bus."""
        assert self.manager is not None
        self.manager.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.manager.process.send_signal(signal.SIGCONT)

    def open_network(self, ssid: str) -> AccessPoint:
        """Put an access point without a password in range."""
        return self.network(ssid, Security.OPEN)

    def protected_network(self, ssid: str, security: Security = Security.WPA3_SAE) -> AccessPoint:
        """Put an access point with a password in range."""
        return self.network(ssid, security)

    def network(self, ssid: str, security: Security) -> AccessPoint:
        """Put an access point in range and store a connection for it."""
        self._known += 1
        name = f"ap{self._known}"
        hardware = f"02:5e:c1:50:00:{self._known:02x}"
        station = (f"string:{ssid}", f"string:{hardware}", "uint32:2", "uint32:5180", "uint32:540000", "byte:82")
        stored = 0 if security in (Security.OPEN, Security.OWE) else STORED_WITH_PASSWORD
        path = self._mock("AddAccessPoint", f"string:{DEVICE}", f"string:{name}", *station, f"uint32:{stored}")
        connection = self._mock("AddWiFiConnection", f"string:{DEVICE}", f"string:{name}", f"string:{ssid}", "string:")
        point = AccessPoint(ssid, path, connection)
        self.set_security(point, security)
        return point

    def switch_to(self, point: AccessPoint) -> None:
        """Leave the present access point and join another one."""
        self.leave()
        devices = f"array:string:{DEVICE}"
        names = (f"string:{point.connection}", f"string:{point.path}", "string:0", "uint32:2")
        self._mock("AddActiveConnection", devices, *names)
        self._set(DEVICE, f"{NM}.Device.Wireless", "ActiveAccessPoint", f"objpath:{point.path}")
        self._set(MANAGER, NM, "PrimaryConnection", f"objpath:{ACTIVE}")
        self.joined = point

    def leave(self) -> None:
        """Leave the present access point; wlan0 is then disconnected."""
        if self.joined is None:
            return
        self._mock("RemoveActiveConnection", f"string:{DEVICE}", f"string:{ACTIVE}")
        self._set(DEVICE, f"{NM}.Device.Wireless", "ActiveAccessPoint", "objpath:/")
        self._set(MANAGER, NM, "PrimaryConnection", "objpath:/")
        self.joined = None

    def set_security(self, point: AccessPoint, security: Security) -> None:
        """Change what an access point announces while it is in use, as an evil twin would."""
        for flag, value in zip(("Flags", "WpaFlags", "RsnFlags"), security.value, strict=True):
            self._set(point.path, f"{NM}.AccessPoint", flag, f"uint32:{value}")

    def _prepare(self) -> None:
        """Add wlan0 and the properties that the template leaves out."""
        self._mock("AddWiFiDevice", "string:wlan0", "string:wlan0", "int32:30")
        self._add_property(DEVICE, f"{NM}.Device.Wireless", "ActiveAccessPoint")
        self._add_property(MANAGER, NM, "PrimaryConnection")

    def _add_property(self, path: str, interface: str, name: str) -> None:
        words = (f"string:{interface}", f"string:{name}", "variant:objpath:/")
        self._send(NM, path, "org.freedesktop.DBus.Mock.AddProperty", *words)

    def _mock(self, method: str, *words: str) -> str:
        return self._send(NM, MANAGER, f"org.freedesktop.DBus.Mock.{method}", *words)

    def _set(self, path: str, interface: str, name: str, value: str) -> None:
        words = (f"string:{interface}", f"string:{name}", f"variant:{value}")
        self._send(NM, path, "org.freedesktop.DBus.Properties.Set", *words)

    def _send(self, destination: str, path: str, method: str, *words: str) -> str:
        return run_command(self._argv(destination, path, method, *words), enter=self.laptop.enter, seconds=10).strip()

    def _argv(self, destination: str, path: str, method: str, *words: str) -> tuple[str, ...]:
        target = (f"--bus={self.address}", "--print-reply=literal", f"--dest={destination}", path, method)
        return (DBUS_SEND, *target, *words)

    def _is_there(self) -> bool:
        argv = self._argv(NM, MANAGER, "org.freedesktop.DBus.Properties.Get", f"string:{NM}", "string:State")
        return try_command(argv, enter=self.laptop.enter).returncode == 0


def _bus_config(run: Run, socket: Path) -> Path:
    config = run.path("bus", "bus.conf")
    config.write_text(BUS_CONFIG.replace("SOCKET", str(socket)))
    return config


# Fixed by NetworkManager
NM = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
DEVICE = f"{MANAGER}/Devices/wlan0"
ACTIVE = f"{MANAGER}/ActiveConnection/0"

# Our choices
DBUS_DAEMON = "/usr/bin/dbus-daemon"
DBUS_SEND = "/usr/bin/dbus-send"
STORED_WITH_PASSWORD = 0x100  # what the template turns into a stored connection with key-mgmt=wpa-psk
MOCK = ("/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "networkmanager")
START_SECONDS = 15.0
BUS_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow send_type="signal"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
