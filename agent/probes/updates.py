"""What the installed system lacks: is its release still cared for, which security updates wait, how old is that news.

It reads os-release, dpkg's status and apt's lists, asks no server and runs no program. What rpm's sources offer
is not read: there, waiting updates are "not told", never "none".
"""

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.posture.facts import Grade, Observed, Unseen, Updates
from agent.probes.packages.apt_lists import Lists, Offer, Source, read_lists
from agent.probes.packages.dpkg import Installed, read_installed
from agent.probes.packages.versions import order


def look_at_updates(root: Path, boot: Callable[[], float], wall: Callable[[], float]) -> Observed[Updates] | Unseen:
    """Look below a root folder."""
    system = read_os_release(root)
    if not system:
        return Unseen("the file os-release, which names the system, cannot be read", boot())
    installed = read_installed(root)
    lists = read_lists(root, {package.name for package in installed}, only_security=True)
    sources = _of_this_release(lists.sources, system)
    pending, why = _find_pending(installed, lists, sources)
    updates = Updates(
        release=(system.get("PRETTY_NAME") or system.get("ID") or "")[:LONGEST_RELEASE],
        supported_until=find_end(system),
        pending=pending,
        lists_age=_age(sources, wall()),
        reboot_wanted=(root / REBOOT_WANTED).exists(),
        why=why,
    )
    return Observed(updates, Grade.ROOT, METHOD, boot())


def read_os_release(root: Path) -> Mapping[str, str]:
    """Read os-release(5), at the first of its two places that has it; empty where neither can be read."""
    for place in OS_RELEASE:
        try:
            with (root / place).open("rb") as file:
                text = file.read(LARGEST_OS_RELEASE).decode("utf-8", "backslashreplace")
        except OSError:
            continue
        return {key: _unquote(value) for key, value in ASSIGNMENT.findall(text)}
    return {}


def find_end(system: Mapping[str, str]) -> float | None:
    """Find the instant (since 1970) at which security support ends: what the system says, else what is known here."""
    name = system.get("ID", ""), system.get("VERSION_ID", "")
    day = DAY.fullmatch(system.get("SUPPORT_END", "") or SUPPORT_ENDS.get(name, ""))
    if day is None:
        return None
    year, month, date = (int(part) for part in day.groups())
    if year < FIRST_YEAR or not 1 <= month <= 12 or not 1 <= date <= 31:
        return None
    return float(calendar.timegm((year, month, date, 23, 59, 59)))


def _of_this_release(sources: Sequence[Source], system: Mapping[str, str]) -> list[Source]:
    """Leave out the security sources of another release, or of another maker; a system without a name has all."""
    names = {system[key] for key in CODENAMES if system.get(key)}
    return [source for source in sources if not names or not names.isdisjoint(source.secures)]


def _find_pending(
    installed: Sequence[Installed], lists: Lists, sources: Sequence[Source]
) -> tuple[tuple[str, ...] | None, str]:
    if not installed:
        return None, "what the sources of this system offer cannot be read"
    waiting = {package.name for package in installed if _lacks(package, lists.offers.get(package.name, ()))}
    pending = tuple(sorted(waiting))[:MOST_PENDING]
    if not sources:
        return pending or None, "no list of security updates was found"
    if lists.unread:
        return pending or None, "a list of security updates cannot be read"
    return pending, ""


def _lacks(package: Installed, offers: Sequence[Offer]) -> bool:
    fitting = (offer for offer in offers if _fits(package.architecture, offer.architecture))
    return any(order(offer.version) > order(package.version) for offer in fitting)


def _fits(installed: str, offered: str) -> bool:
    return installed == offered or INDEPENDENT in (installed, offered)


def _age(sources: Sequence[Source], now: float) -> float | None:
    """Tell how old the oldest news of a security source is; None where it claims to come from the future."""
    dates = [source.date for source in sources]
    known = [date for date in dates if date is not None]
    if not known or len(known) < len(dates) or max(known) > now + CLOCK_MAY_DIFFER:
        return None
    return max(now - min(known), 0.0)


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return re.sub(r"\\(.)", r"\1", value)


# Fixed by os-release(5), by Debian and by Ubuntu.
OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
ASSIGNMENT = re.compile(r"^([A-Z_][A-Z0-9_]*)=(.*)$", re.MULTILINE)
CODENAMES = ("VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME")  # a relative names the release it is made of
DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
REBOOT_WANTED = "run/reboot-required"
INDEPENDENT = "all"

# Our choices. The days are the ends of free security support in Debian's package distro-info-data, 2026-10: of
# Debian its long-term support, of Ubuntu the standard support.
SUPPORT_ENDS: Mapping[tuple[str, str], str] = {
    ("debian", "11"): "2026-08-31",
    ("debian", "12"): "2028-06-30",
    ("debian", "13"): "2030-06-30",
    ("ubuntu", "20.04"): "2025-05-29",
    ("ubuntu", "22.04"): "2027-06-01",
    ("ubuntu", "24.04"): "2029-05-31",
    ("ubuntu", "26.04"): "2031-05-29",
}
METHOD = "os-release and apt's lists"
LARGEST_OS_RELEASE = 64 << 10
LONGEST_RELEASE = 120
MOST_PENDING = 1_000
FIRST_YEAR = 1970
CLOCK_MAY_DIFFER = 86_400.0  # a list from further ahead tells that our clock is wrong
