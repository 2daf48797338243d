"""Knows the papers of one run: the hospital's authority, the gateway's and the laptop's certificates, made on the spot.

Never keeps them beyond the run; `tests.certificates` makes every certificate.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.certificates import Authority, Issued
from tests.lab.run import Run


@dataclass(frozen=True)
class Papers:
    """An authority and the two certificates below it; take `dataclasses.replace` for a wrong one."""

    authority: Authority
    gateway: Issued
    device: Issued

    @classmethod
    def issue(cls, key: str = "ecdsa-p384") -> Self:
        """Make an authority, a certificate for the gateway and one for the laptop, with keys of the kind."""
        authority = Authority.create("Sekisho Lab Hospital", key)
        return cls(
            authority,
            authority.issue(GATEWAY_NAME, key=key),
            authority.issue(DEVICE_NAME, key=key, eku=("clientAuth",)),
        )

    def write_device(self, run: Run) -> "DeviceFiles":
        """Write what the laptop needs: its certificates, leaf first, its key, and the authority's certificate."""
        files = DeviceFiles(*(run.path("device", name) for name in ("device.pem", "device.key", "ca.pem")))
        files.certificate.write_bytes(b"".join((self.device.pem, *map(_as_pem, self.device.chain))))
        files.key.touch(mode=0o600)
        files.key.write_bytes(self.device.key_pem)
        files.anchors.write_bytes(self.authority.pem)
        return files


def _as_pem(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode()


@dataclass(frozen=True)
class DeviceFiles:
    """Where the laptop's PEM files are; the paths hold in every namespace."""

    certificate: Path
    key: Path
    anchors: Path


# Our choices
GATEWAY_NAME = "gw.hospital.test"
DEVICE_NAME = "laptop-17.hospital.test"
