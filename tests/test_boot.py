"""How a computer started, as its firmware and its kernel tell it."""

from pathlib import Path

import pytest

from agent.posture.facts import Boot, Observed, Told, Unseen
from agent.probes.boot import look_at_boot
from tests.made_machine import Machine

UEFI = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"


def started(machine: Machine) -> Boot:
    seen = look_at_boot(machine.root, lambda: 5.0)
    assert isinstance(seen, Observed)
    return seen.value


def variable(machine: Machine, name: str, value: bytes, attributes: bytes = b"\x06\0\0\0") -> None:
    machine.write(f"sys/firmware/efi/efivars/{name}", attributes + value)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("secure", "setup", "unverified", "told"),
    [
        (b"\1", b"\0", None, Told.YES),
        (b"\1", None, None, Told.YES),
        (b"\0", b"\0", None, Told.NO),
        (b"\1", b"\1", None, Told.NO),
        (b"\1", b"\0", b"\1", Told.NO),
        (b"\1", b"\0", b"\0", Told.YES),
        (None, b"\0", None, Told.UNTOLD),
        (b"", None, None, Told.UNTOLD),
        (b"\1\1", None, None, Told.UNTOLD),
    ],
)
def test_secure_boot_is_what_the_firmware_says_unless_something_undoes_it(machine, secure, setup, unverified, told):
    values = {f"SecureBoot-{UEFI}": secure, f"SetupMode-{UEFI}": setup, f"MokSBStateRT-{SHIM}": unverified}
    for name, value in values.items():
        if value is not None:
            variable(machine, name, value)
    assert started(machine).secure_boot is told


def test_an_old_computer_without_such_firmware_is_untold(machine: Machine):
    assert started(machine) == Boot(Told.UNTOLD, "", tpm=False)


def test_the_kernels_lockdown_and_a_tpm_are_told(machine: Machine):
    machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    machine.write("sys/class/tpm/tpm0/tpm_version_major", "2\n")
    assert started(machine) == Boot(Told.UNTOLD, "integrity", tpm=True)
    machine.write("sys/kernel/security/lockdown", "none [\x1b[31m] confidentiality\n")
    assert started(machine).lockdown == ""


def test_what_cannot_be_read_is_unseen(machine: Machine):
    machine.write("sys/kernel/security/lockdown", "x" * 5_000)
    seen = look_at_boot(machine.root, lambda: 5.0)
    assert seen == Unseen("how the computer started could not be read: it is larger than 4096 bytes", 5.0)
