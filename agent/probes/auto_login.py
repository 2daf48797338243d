"""Who is logged in without a password when the computer starts, by the files of GDM, LightDM, SDDM and the consoles.

Whether that login screen is the one in use is not asked: a file that says so is enough.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent.probes.settings_files import Settings, merge, read_settings
from agent.probes.small_files import UnreadableError, list_names, read_lines, read_small


def list_auto_logins(root: Path) -> tuple[str, ...]:
    """Name the accounts; raise `UnreadableError` where a file is there and cannot be read."""
    gdm = [_read(root / file) for file in GDM_FILES]
    found = [name for settings in gdm for name in _of_gdm(settings)]
    found += _of_lightdm(_merged(root, LIGHTDM_FILES))
    found += [setting.value for setting in [_merged(root, SDDM_FILES).get(("Autologin", "User"))] if setting]
    found += _of_consoles(root)
    return tuple(sorted({name for name in found if name}))


def _of_gdm(settings: Settings) -> Iterator[str]:
    for kind in ("Automatic", "Timed"):
        enabled, name = settings.get(("daemon", f"{kind}LoginEnable")), settings.get(("daemon", f"{kind}Login"))
        if enabled and name and enabled.value.lower() in TRUE:
            yield name.value


def _of_lightdm(settings: Settings) -> list[str]:
    seats = {section for section, _ in settings if section.startswith("Seat")}
    users = [settings.get((seat, "autologin-user")) for seat in seats]
    return [user.value for user in users if user]


def _of_consoles(root: Path) -> Iterator[str]:
    """Look for `agetty --autologin NAME` where systemd's consoles are changed."""
    units = root / "etc/systemd/system"
    for unit in list_names(units):
        if CONSOLE.match(unit):
            files = [units / unit / name for name in list_names(units / unit)] or [units / unit]
            for match in filter(None, map(AUTO_LOGIN.search, _lines(files))):
                yield match[1]


def _lines(files: list[Path]) -> Iterator[str]:
    for file in files:
        with suppress(UnreadableError):  # a unit that is masked leads to a device
            yield from read_lines(file)


def _merged(root: Path, places: tuple[str, ...]) -> Settings:
    """Put files and folders of files on each other, in their order."""
    files: list[Path] = []
    for place in places:
        inner = [root / place / name for name in list_names(root / place) if name.endswith(".conf")]
        files += inner or [root / place]
    return merge(_read(file) for file in files if not file.is_dir())


def _read(file: Path) -> Settings:
    return read_settings(read_small(file) or b"")


# Fixed by the login screens, agetty(8) and systemd; the last file has the last word.
GDM_FILES = ("etc/gdm3/daemon.conf", "etc/gdm3/custom.conf", "etc/gdm/custom.conf")
LIGHTDM_FILES = (
    "usr/share/lightdm/lightdm.conf.d",
    "usr/local/share/lightdm/lightdm.conf.d",
    "etc/xdg/lightdm/lightdm.conf.d",
    "etc/lightdm/lightdm.conf.d",
    "etc/lightdm/lightdm.conf",
)
SDDM_FILES = ("usr/lib/sddm/sddm.conf.d", "etc/sddm.conf.d", "etc/sddm.conf")
CONSOLE = re.compile(r"(?:serial-|console-|container-)?getty@")
AUTO_LOGIN = re.compile(r"^\s*ExecStart\s*=.*\s(?:--autologin|-a)[\s=]+(\S+)")
TRUE = frozenset({"true", "1", "yes"})
