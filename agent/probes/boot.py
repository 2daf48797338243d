"""How the machine started: Secure Boot as its firmware tells, the kernel's lockdown, and whether there is a TPM.

The firmware's word is believed; nothing here is attested by the TPM.
"""

from collections.abc import Callable
from pathlib import Path

from agent.posture.facts import Boot, Grade, Observed, Told, Unseen
from agent.probes.small_files import UnreadableError, list_names, read_small, read_word


def look_at_boot(root: Path, boot: Callable[[], float]) -> Observed[Boot] | Unseen:
    """Look at the firmware's variables and the kernel's own files."""
    try:
        found = Boot(
            secure_boot=_read_secure_boot(root / "sys/firmware/efi/efivars"),
            lockdown=_read_lockdown(root / "sys/kernel/security/lockdown"),
            tpm=any(name.startswith("tpm") for name in list_names(root / "sys/class/tpm")),
        )
    except UnreadableError as error:
        return Unseen(f"how the computer started could not be read: {error}", boot())
    return Observed(found, Grade.ROOT, METHOD, boot())


def _read_secure_boot(variables: Path) -> Told:
    """Tell whether only signed systems start; a setup mode, or a loader told not to verify, undoes it."""
    on = _read_flag(variables / SECURE_BOOT)
    if on is None:
        return Told.UNTOLD
    undone = _read_flag(variables / SETUP_MODE) or _read_flag(variables / LOADER_VERIFIES_NOT)
    return Told.YES if on and not undone else Told.NO


def _read_flag(variable: Path) -> bool | None:
    content = read_small(variable, LONGEST_VARIABLE)
    if content is None or len(content) != ATTRIBUTES + 1:
        return None
    return content[ATTRIBUTES] == 1


def _read_lockdown(file: Path) -> str:
    """Give the word in brackets, as in `none [integrity] confidentiality`."""
    word = read_word(file).partition("[")[2].partition("]")[0]
    return word if word in LOCKDOWNS else ""


# Fixed by UEFI, by shim and by the kernel: a variable's attributes come before its value.
SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SETUP_MODE = "SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c"
LOADER_VERIFIES_NOT = "MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23"
ATTRIBUTES = 4
LOCKDOWNS = frozenset({"none", "integrity", "confidentiality"})

# Our choices.
LONGEST_VARIABLE = 4_096
METHOD = "the firmware's variables and the kernel's own files"
