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
    """Read a file; of equals the last counts. An empty key stands for a whole section, an empty section for all."""
    found: dict[tuple[str, str], Setting] = {}
    section = ""
    for line in content.decode("utf-8", "backslashreplace").split("\n"):
        line = line.strip()
        if line == FIXED:
            found["", ""] = Setting("", fixed=True)
        elif line.startswith("["):
            name, _, rest = line[1:].partition("]")
            section = line if rest.startswith("[") and rest != FIXED else name
            if rest == FIXED:
                found[section, ""] = Setting("", fixed=True)
        elif "=" in line and line[0] not in COMMENTS:
            key, value = (part.strip() for part in line.split("=", 1))
            found[section, key.removesuffix(FIXED).strip()] = Setting(value, key.endswith(FIXED))
    return found


def merge(layers: Iterable[Settings]) -> Settings:
    """Put layers on each other, each over those before it except where one of them is fixed."""
    merged: dict[tuple[str, str], Setting] = {}
    for layer in layers:
        merged |= {key: setting for key, setting in layer.items() if not _is_fixed(merged, *key)}
    return merged


def _is_fixed(settings: Settings, section: str, key: str) -> bool:
    over = (settings.get(place) for place in ((section, key), (section, ""), ("", "")))
    return any(setting is not None and setting.fixed for setting in over)


FIXED = "[$i]"
COMMENTS = "#;"
