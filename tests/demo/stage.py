"""Knows what the demo plays on: the scene, a PACS with one study, and Sekisho installed on the doctor's laptop.

Never judges what happens on it.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.demo import telling
from tests.lab.capture import Capture, Packet, Sort
from tests.lab.dicom import Report, Study
from tests.lab.endpoint import Answer, Endpoint
from tests.lab.orthanc import Orthanc, start_resolver
from tests.lab.run import LabError, Run
from tests.lab.scene import Scene
from tests.lab.strongswan import StrongSwan


class DemoError(Exception):
    """A step did not show what it must; the message is its reason in one sentence."""


def expect(shown: bool, otherwise: str) -> None:
    """Go on only if something was shown."""
    if not shown:
        raise DemoError(otherwise)


@dataclass(frozen=True)
class Stage:
    """Everything that the steps share."""

    scene: Scene
    pacs: Orthanc
    study: Study
    report: Report
    endpoint: Endpoint
    gateway: str

    @classmethod
    def set(cls, run: Run) -> Self:
        """Build the lab and start Sekisho, telling each part."""
        with telling.waiting_for("laptop, hotel router, gateway (strongSwan), Wi-Fi (NetworkManager)"):
            scene = Scene.set(run)
        with telling.waiting_for("PACS (Orthanc) with a CT study of 20 images; name server"):
            pacs, study = Orthanc.start(run, scene.town.pacs), Study.make(run, instances=20)
            pacs.upload(study.files)
            start_resolver(run, scene.town.pacs)
        with telling.waiting_for("sekisho-look and sekishod on the laptop"):
            endpoint = scene.endpoint("sekisho")
            endpoint.start()
        return cls(scene, pacs, study, Report.make(run, study), endpoint, _version(scene.gateway))

    def sekisho(self, *words: str) -> Answer:
        """Run the command as the doctor and show it."""
        answer = self.endpoint.sekisho(*words)
        telling.command(" ".join(("sekisho", *words)), answer)
        return answer

    def watch_wire(self) -> "Wire":
        """Capture on the router's uplink, and see one deliberate clear probe to the PACS pass there first."""
        capture = Capture.start(self.scene.run, self.scene.town.router)
        self.scene.town.send_clear_probe()
        seen = False
        with suppress(LabError):
            seen = capture.wait_for(Sort.CLEAR).sort is Sort.CLEAR
        return Wire(capture, seen, len(capture.packets()))


def _version(gateway: StrongSwan) -> str:
    """Ask the running gateway what it is."""
    told = re.match(r"strongSwan \d\S*", gateway.swanctl("--version", "--daemon"))
    if told is None:
        raise DemoError("The gateway did not tell its version.")
    return told[0]


@dataclass(frozen=True)
class Wire:
    """A running capture; what it saw up to the mark was deliberate."""

    capture: Capture
    probe_seen: bool
    mark: int

    def packets(self) -> tuple[Packet, ...]:
        """Return what passed since the mark, up to now."""
        return self.capture.packets()[self.mark :]

    def stop(self) -> tuple[Packet, ...]:
        """End the capture, which proves that it lost nothing, and return what passed since the mark."""
        return self.capture.stop()[self.mark :]
