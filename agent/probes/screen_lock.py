"""When the screen of a user locks by itself, as the stored settings of GNOME or KDE say.

What the running desktop does with them does not show here, nor do other desktops.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.posture.facts import Told
from agent.probes.accounts import Account
from agent.probes.dconf import Dconf
from agent.probes.mounts import Mount
from agent.probes.settings_files import Setting, Settings, merge, read_settings
from agent.probes.small_files import UnreadableError, list_names, read_small
from agent.probes.user_files import read_of_user


@dataclass(frozen=True, slots=True)
class ScreenLock:
    """Whether the screen locks by itself, and after how many idle seconds; None where that was not told."""

    locks: Told
    after: float | None = None


Read = Callable[[Path, Sequence[Mount], Account], ScreenLock]


def read_screen_lock(root: Path, mounts: Sequence[Mount], account: Account) -> ScreenLock:
    """Read the settings of one user; where several desktops are installed, the weakest counts."""
    found = []
    for program, read in DESKTOPS.items():
        if (root / program).exists():
            try:
                found.append(read(root, mounts, account))
            except UnreadableError:
                found.append(NOT_TOLD)
    return weakest(found)


def weakest(screens: Sequence[ScreenLock]) -> ScreenLock:
    """Choose the screen that never locks, else one of which it was not told, else the one that locks last."""
    return max(screens, key=lambda screen: (BEST_FIRST.index(screen.locks), screen.after or 0.0), default=NOT_TOLD)


def _read_gnome(root: Path, mounts: Sequence[Mount], account: Account) -> ScreenLock:
    settings = Dconf.open(root, mounts, account)
    enabled, forbidden = settings.truth(GNOME_LOCK), settings.truth(GNOME_NO_LOCK)
    idle, delay = settings.number(GNOME_IDLE), settings.number(GNOME_DELAY)
    if enabled is False or forbidden or idle == 0:
        return ScreenLock(Told.NO)
    found = {GNOME_LOCK: enabled, GNOME_NO_LOCK: forbidden, GNOME_IDLE: idle, GNOME_DELAY: delay}
    unset = {key for key, value in found.items() if value is None}
    if not unset.isdisjoint(_list_overridden(root)):
        return NOT_TOLD
    return ScreenLock(Told.YES, float((idle or GNOME_USUAL_IDLE) + (delay or 0)))


def _list_overridden(root: Path) -> Iterator[str]:
    """List the settings of which a distribution or a hospital changed what holds where nobody sets them."""
    for name in list_names(root / GNOME_SCHEMAS):
        if name.endswith(".gschema.override"):
            for section, key in read_settings(read_small(root / GNOME_SCHEMAS / name) or b""):
                yield f"/{section.partition(':')[0].replace('.', '/')}/{key}"


def _read_kde(root: Path, mounts: Sequence[Mount], account: Account) -> ScreenLock:
    """Read Autolock, and Timeout in minutes with LockGrace in seconds; what only KDE understands is not told."""
    layers = [read_small(root / "etc/xdg" / KDE_FILE), read_of_user(root, mounts, account, (".config", KDE_FILE))]
    settings = merge(read_settings(layer) for layer in layers if layer is not None)
    locks = settings.get(("Daemon", "Autolock"), KDE_LOCKS).value.lower()
    minutes, grace = (settings.get(("Daemon", key), usual).value for key, usual in KDE_SPANS.items())
    if locks in OFF:
        return ScreenLock(Told.NO)
    if locks not in ON or not NUMBER.fullmatch(minutes) or not NUMBER.fullmatch(grace) or _has_riddles(settings):
        return NOT_TOLD
    return ScreenLock(Told.YES, float(int(minutes) * 60 + int(grace))) if int(minutes) else ScreenLock(Told.NO)


def _has_riddles(settings: Settings) -> bool:
    """Tell whether a name is written in a way of KDE's own: escaped, or with marks for what its value is."""
    return any("\\" in section + key or (section == "Daemon" and "[" in key) for section, key in settings)


NOT_TOLD = ScreenLock(Told.UNTOLD)
BEST_FIRST = (Told.YES, Told.UNTOLD, Told.NO)
DESKTOPS: Mapping[str, Read] = {"usr/bin/gnome-shell": _read_gnome, "usr/bin/plasmashell": _read_kde}

# Fixed by GNOME and KDE: where they keep it, and what holds where nothing is set.
GNOME_LOCK = "/org/gnome/desktop/screensaver/lock-enabled"
GNOME_DELAY = "/org/gnome/desktop/screensaver/lock-delay"
GNOME_IDLE = "/org/gnome/desktop/session/idle-delay"
GNOME_NO_LOCK = "/org/gnome/desktop/lockdown/disable-lock-screen"
GNOME_USUAL_IDLE = 300
GNOME_SCHEMAS = "usr/share/glib-2.0/schemas"
KDE_FILE = "kscreenlockerrc"
KDE_LOCKS = Setting("true", fixed=False)
KDE_SPANS = {"Timeout": Setting("5", fixed=False), "LockGrace": Setting("5", fixed=False)}
NUMBER = re.compile(r"[0-9]{1,9}")
ON, OFF = frozenset({"true", "on", "yes", "1"}), frozenset({"false", "off", "no", "0"})
