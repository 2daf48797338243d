"""Knows what the lab needs of the machine, and says in one sentence each what is missing and its cure.

Never installs or changes anything.
"""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.lab.run import IP, try_command


def missing() -> tuple[str, ...]:
    """List what is missing, one sentence with its cure each; empty when the lab can be built."""
    if os.geteuid() != 0:
        return ("The lab makes network namespaces, so it needs root: run the same command with sudo.",)
    return (*_missing_programs(), *_missing_modules(), *_missing_kernel())


def require() -> None:
    """End the program with exit code 2 and the list when something is missing."""
    if lacks := missing():
        sys.stderr.write("".join(f"{sentence}\n" for sentence in lacks))
        raise SystemExit(2)


def _missing_programs() -> Iterator[str]:
    for program, package in PROGRAMS.items():
        if not Path(program).exists():
            yield f"{program} is missing: apt-get install --no-install-recommends {package}, or make setup."


def _missing_modules() -> Iterator[str]:
    for module in MODULES:
        if find_spec(module) is None:
            yield f"The Python module {module} is missing in {sys.prefix}: make setup."


def _missing_kernel() -> Iterator[str]:
    if not Path("/dev/net/tun").exists():
        yield "/dev/net/tun is missing: modprobe tun, or give the container the device (--device /dev/net/tun)."
    for argv, what, cure in KERNEL:
        if Path(argv[0]).exists() and (done := try_command(argv)).returncode != 0:
            yield f"{what} ({done.stderr.decode(errors='replace').strip()}): {cure}."


# Our choices
PROGRAMS = {
    IP: "iproute2",
    "/usr/sbin/nft": "nftables",
    "/usr/bin/ping": "iputils-ping",
    "/usr/bin/tcpdump": "tcpdump",
    "/usr/bin/nsenter": "util-linux",
    "/usr/bin/unshare": "util-linux",
    "/usr/bin/setpriv": "util-linux",
    "/usr/sbin/charon-systemd": "charon-systemd",
    "/usr/sbin/swanctl": "strongswan-swanctl",
    "/usr/lib/ipsec/plugins/libstrongswan-openssl.so": "libstrongswan-standard-plugins",
    "/usr/lib/ipsec/plugins/libstrongswan-curve25519.so": "libstrongswan-extra-plugins",
    "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so": "libcharon-extra-plugins",
    "/usr/sbin/Orthanc": "orthanc",
    "/usr/share/orthanc/plugins/libOrthancDicomWeb.so": "orthanc-dicomweb",
    "/usr/bin/echoscu": "dcmtk",
    "/usr/bin/storescu": "dcmtk",
    "/usr/bin/dbus-daemon": "dbus",
    "/usr/bin/dbus-send": "dbus",
    "/usr/bin/python3": "python3",
    "/usr/lib/python3/dist-packages/dbusmock": "python3-dbusmock",
}
MODULES = ("cryptography", "numpy", "pydicom")
KERNEL = (
    (("/usr/bin/unshare", "--net", "/bin/true"), "Network namespaces cannot be made", "run with CAP_SYS_ADMIN"),
    (
        ("/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/true"),
        "Mount namespaces cannot be made",
        "run with CAP_SYS_ADMIN",
    ),
    (
        ("/usr/bin/unshare", "--net", "/usr/sbin/nft", "add", "table", "inet", "probe"),
        "The kernel has no nftables",
        "modprobe nf_tables",
    ),
)
