"""Settings that programs keep in sections of `key=value` lines, as GDM, LightDM, SDDM and KDE write them.

A mark such as `[$i]` after a key or a section (KDE's way of fixing it) is told; nothing else is understood.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One value, and whether its file forbids others to change it."""

    value: str
    fixed: bool


Settings = Mapping[tuple[str, str], Setting]


def read_settings(content: bytes) -> Settings:
    """Read a file; sections and keys are in small letters, and of equals the last counts."""
    found: dict[tuple[str, str], Setting] = {}
    section, all_fixed, section_fixed = "", False, False
    for line in content.decode("utf-8", "backslashreplace").split("\n"):
        line = line.strip()
        if line == FIXED:
            all_fixed = True
        elif line.startswith("["):
            section, section_fixed = line[1:].partition("]")[0].lower(), line.endswith(FIXED)
        elif "=" in line and line[0] not in COMMENTS:
            key, _, value = line.partition("=")
            name, fixed = key.strip().removesuffix(FIXED), key.strip().endswith(FIXED)
            found[section, name.strip().lower()] = Setting(value.strip(), fixed or section_fixed or all_fixed)
    return found


def merge(layers: Iterable[Settings]) -> Settings:
    """Put layers on each other, each over those before it except where one of them is fixed."""
    merged: dict[tuple[str, str], Setting] = {}
    for layer in layers:
        merged |= {key: setting for key, setting in layer.items() if key not in merged or not merged[key].fixed}
    return merged


FIXED = "[$i]"
COMMENTS = "#;"
