"""Knows a synthetic CT study and a report on it, and how the laptop fetches the one and sends the other.

Never holds a real patient: every name says TEST, every pixel is noise from a seed.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, BasicTextSRStorage, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.lab.namespaces import PACS
from tests.lab.orthanc import DICOM_PORT, FETCH, HTTP_PORT
from tests.lab.run import Run, run_command


@dataclass(frozen=True)
class Study:
    """DICOM files of one study on disk."""

    uid: str
    files: tuple[Path, ...]

    @classmethod
    def make(cls, run: Run, instances: int = 4, seed: int = 17) -> Self:
        """Make CT images of 512 x 512 pixels, half a megabyte each."""
        uid, series = generate_uid(), generate_uid()
        noise = numpy.random.default_rng(seed)
        files = []
        for number in range(instances):
            image = _instance(uid, series, CTImageStorage, "CT")
            _draw(image, number, noise.integers(0, 4096, (512, 512), dtype=numpy.uint16))
            files.append(run.path("study", f"{number}.dcm"))
            image.save_as(files[-1], enforce_file_format=True)
        return cls(uid, tuple(files))

    @cached_property
    def digests(self) -> tuple[str, ...]:
        return tuple(sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in self.files))


@dataclass(frozen=True)
class Report:
    """A report object (Basic Text SR) on disk."""

    uid: str
    file: Path

    @classmethod
    def make(cls, run: Run, study: Study, text: str = "TEST report: no finding.") -> Self:
        """Write a report on the study."""
        report = _instance(study.uid, generate_uid(), BasicTextSRStorage, "SR")
        report.InstanceNumber = 1
        report.CompletionFlag, report.VerificationFlag = "COMPLETE", "UNVERIFIED"
        report.ValueType, report.ContinuityOfContent = "CONTAINER", "SEPARATE"
        report.ConceptNameCodeSequence = _code("18782-3", "Radiology Study observation")
        finding = Dataset()
        finding.RelationshipType, finding.ValueType, finding.TextValue = "CONTAINS", "TEXT", text
        finding.ConceptNameCodeSequence = _code("121071", "Finding", "DCM")
        report.ContentSequence = Items([finding])
        file = run.path("report.dcm")
        report.save_as(file, enforce_file_format=True)
        return cls(str(report.SOPInstanceUID), file)


@dataclass(frozen=True)
class Fetched:
    """What a fetch of a study brought."""

    digests: tuple[str, ...]
    size: int
    seconds: float


def fetch(enter: Sequence[str], study: str, host: str = PACS) -> Fetched:
    """Fetch all that is stored of a study by WADO-RS from wherever `enter` leads, byte for byte."""
    argv = (*FETCH, "study", f"http://{host}:{HTTP_PORT}/dicom-web/studies/{study}")
    answer = json.loads(run_command(argv, enter=enter, seconds=60))
    return Fetched(tuple(answer["sha256"]), answer["bytes"], answer["seconds"])


def echo(enter: Sequence[str]) -> None:
    """Ask the PACS for a sign of life (C-ECHO); no answer raises LabError."""
    run_command((ECHOSCU, *TIMEOUTS, PACS, str(DICOM_PORT)), enter=enter)


def send(enter: Sequence[str], report: Report) -> None:
    """Send a report to the PACS (C-STORE); a refusal raises LabError."""
    run_command((STORESCU, *TIMEOUTS, "-R", PACS, str(DICOM_PORT), str(report.file)), enter=enter)


def _instance(study: str, series: str, kind: UID, modality: str) -> FileDataset:
    """Start an instance with what every one carries: patient, study, series."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    instance.SOPClassUID, instance.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    instance.PatientName, instance.PatientID, instance.PatientBirthDate, instance.PatientSex = (
        "TEST^SEKISHO",
        "T1",
        "",
        "",
    )
    instance.StudyInstanceUID, instance.SeriesInstanceUID, instance.Modality = study, series, modality
    instance.StudyDate, instance.StudyTime, instance.StudyID, instance.AccessionNumber = "20260101", "120000", "1", "1"
    instance.ContentDate, instance.ContentTime, instance.SeriesNumber = "20260101", "120000", 1
    return instance


def _draw(image: FileDataset, number: int, pixels: "numpy.typing.NDArray[numpy.uint16]") -> None:
    image.InstanceNumber, image.ImageType = number + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelSpacing, image.SliceThickness = [0.7, 0.7], 1
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    image.RescaleIntercept, image.RescaleSlope = -1024, 1
    image.PixelData = pixels.tobytes()


def _code(value: str, meaning: str, scheme: str = "LN") -> Items:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return Items([code])


# Our choices
ECHOSCU = "/usr/bin/echoscu"
STORESCU = "/usr/bin/storescu"
TIMEOUTS = ("-to", "10", "-ta", "10", "-td", "10")
