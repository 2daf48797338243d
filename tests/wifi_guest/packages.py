"""Fetches the Debian packages of the guest and unpacks them into a folder; nothing is installed, nothing is started."""

import re
import subprocess
from pathlib import Path

from tests.lab.run import run_command

KEPT = Path("build/wifi-guest")


def unpacked() -> Path:
    """Give the folder with the guest's kernel and programs; fetch and unpack them when that was not done yet."""
    root = KEPT / "root"
    if not (KEPT / "done").exists():
        archives = KEPT / "archives"
        archives.mkdir(parents=True, exist_ok=True)
        if _fetch(archives) != 0:  # the lists may be older than what the mirror still has
            subprocess.run((*APT, "update"), check=True, capture_output=True, timeout=300)
            assert _fetch(archives) == 0, "the packages of the guest cannot be fetched"
        for archive in sorted(archives.glob("*.deb")):
            run_command(("/usr/bin/dpkg-deb", "-x", str(archive), str(root)), seconds=120)
        (KEPT / "done").touch()
    return root.resolve()


def _fetch(archives: Path) -> int:
    fetched = subprocess.run((*APT, "download", _kernel(), *PACKAGES), cwd=archives, capture_output=True, timeout=300)
    return fetched.returncode


def _kernel() -> str:
    """Name the package of the kernel to which Debian's own name for the newest leads."""
    told = run_command(("/usr/bin/apt-cache", "depends", "linux-image-amd64"))
    found = re.search(r"Depends: (linux-image-\S+-amd64)", told)
    assert found, told
    return found[1]


APT = ("/usr/bin/apt-get", "-q", "-o", "APT::Sandbox::User=root")

# Our choice: what the guest runs, and the libraries that the machine itself may lack.
PACKAGES = (
    "busybox-static",
    "hostapd",
    "wpasupplicant",
    "libnl-3-200",
    "libnl-genl-3-200",
    "libnl-route-3-200",
    "libpcsclite1",
    "network-manager",
    "libnm0",
    "libndp0",
    "libteamdctl0",
    "libmm-glib0",
    "libbluetooth3",
    "libpolkit-gobject-1-0",
    "libpolkit-agent-1-0",
    "libjansson4",
    "libnewt0.52",
    "libpsl5",
    "libcurl3-gnutls",
    "libaudit1",
    "libudev1",
)
