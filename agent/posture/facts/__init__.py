"""What was seen of the machine: values with grade, method and age, or why nothing was seen.

Facts judge nothing, and a failed look is `Unseen`, never an empty value.
"""

from dataclasses import dataclass

from agent.posture.facts.device import (
    Antimalware,
    Boot,
    Clock,
    Locking,
    Papers,
    Storage,
    Updates,
    UsbStorage,
)
from agent.posture.facts.links import AccessPoint, Air, Links, Saved, SavedNetwork, Security, Wireless
from agent.posture.facts.network import Exposure, Firewall, Neighbourhood
from agent.posture.facts.observed import NOT_LOOKED, Grade, Observed, Told, Unseen
from agent.posture.facts.places import Place, Places
from agent.posture.facts.programs import Origin, Package, Program, Programs, Script

__all__ = [
    "NOT_LOOKED",
    "AccessPoint",
    "Air",
    "Antimalware",
    "Boot",
    "Clock",
    "Exposure",
    "Facts",
    "Firewall",
    "Grade",
    "Links",
    "Locking",
    "Neighbourhood",
    "Observed",
    "Origin",
    "Package",
    "Papers",
    "Place",
    "Places",
    "Program",
    "Programs",
    "Saved",
    "SavedNetwork",
    "Script",
    "Security",
    "Storage",
    "Told",
    "Unseen",
    "Updates",
    "UsbStorage",
    "Wireless",
]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was seen so far; what nobody looked at yet is `Unseen` and says so."""

    programs: Observed[Programs] | Unseen = NOT_LOOKED
    links: Observed[Links] | Unseen = NOT_LOOKED
    air: Observed[Air] | Unseen = NOT_LOOKED
    saved: Observed[Saved] | Unseen = NOT_LOOKED
    neighbourhood: Observed[Neighbourhood] | Unseen = NOT_LOOKED
    exposure: Observed[Exposure] | Unseen = NOT_LOOKED
    firewall: Observed[Firewall] | Unseen = NOT_LOOKED
    antimalware: Observed[Antimalware] | Unseen = NOT_LOOKED
    storage: Observed[Storage] | Unseen = NOT_LOOKED
    updates: Observed[Updates] | Unseen = NOT_LOOKED
    locking: Observed[Locking] | Unseen = NOT_LOOKED
    usb: Observed[UsbStorage] | Unseen = NOT_LOOKED
    clock: Observed[Clock] | Unseen = NOT_LOOKED
    boot: Observed[Boot] | Unseen = NOT_LOOKED
    papers: Observed[Papers] | Unseen = NOT_LOOKED
    places: Observed[Places] | Unseen = NOT_LOOKED
