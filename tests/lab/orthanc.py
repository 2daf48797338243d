"""Knows how to run Debian's Orthanc as the hospital's PACS, what is stored in it, and the name server beside it.

Never asks it over the machine's network: every question is put inside the PACS's own namespace.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import Self

from tests.lab import fetch, resolver
from tests.lab.namespaces import DNS, PACS, Namespace
from tests.lab.run import Program, Run


@dataclass(frozen=True)
class Orthanc:
    """A running PACS with DICOM and DICOMweb."""

    program: Program = field(repr=False)
    space: Namespace

    @classmethod
    def start(cls, run: Run, space: Namespace) -> Self:
        """Start an empty PACS; it answers when this returns."""
        storage = str(run.path("orthanc", "storage"))
        config = run.path("orthanc", "orthanc.json")
        config.write_text(json.dumps({**SETTINGS, "StorageDirectory": storage, "IndexDirectory": storage}))
        program = run.start("orthanc", (ORTHANC, str(config)), enter=space.enter, ending=SIGKILL)
        program.wait_ready(lambda: b"Orthanc has started" in program.log.read_bytes(), START_SECONDS)
        return cls(program, space)

    def upload(self, files: Sequence[Path]) -> None:
        """Store DICOM files by REST, the only way that keeps every byte of them."""
        self.space.run(*FETCH, "post", f"{HTTP}/instances", *map(str, files), seconds=120)

    def stored(self) -> tuple[str, ...]:
        """List the SOP Instance UIDs of everything stored."""
        answer = self.space.run(*FETCH, "get", f"{HTTP}/instances?expand")
        return tuple(sorted(found["MainDicomTags"]["SOPInstanceUID"] for found in json.loads(answer)))

    def stop(self) -> None:
        """End the PACS in order and wait for it (it takes 2 s; the end of the run does not wait)."""
        self.program.stop()


def start_resolver(run: Run, space: Namespace) -> Program:
    """Start the hospital's name server, which knows the PACS by its name."""
    argv = (sys.executable, resolver.__file__, DNS, f"{PACS_NAME}={PACS}")
    program = run.start("resolver", argv, enter=space.enter)
    program.wait_ready(lambda: b"ready" in program.log.read_bytes(), START_SECONDS)
    return program


# Our choices
PACS_NAME = "pacs.hospital.test"
ORTHANC = "/usr/sbin/Orthanc"
HTTP_PORT = 8042
DICOM_PORT = 4242
HTTP = f"http://{PACS}:{HTTP_PORT}"
FETCH = (sys.executable, fetch.__file__)
START_SECONDS = 20.0
SETTINGS = {
    "Name": "Sekisho lab",
    "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
    "HttpPort": HTTP_PORT,
    "DicomPort": DICOM_PORT,
    "DicomAet": "PACS",
    "DicomCheckCalledAet": False,
    "RemoteAccessAllowed": True,
    "AuthenticationEnabled": False,
    "DicomAlwaysAllowEcho": True,
    "DicomAlwaysAllowStore": True,
    "DicomAlwaysAllowFind": True,
    "DicomAlwaysAllowGet": True,
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
}
