"""What a policy says about one check, and what holds where it says nothing."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from agent.events import Response
from agent.posture.policy.values import Seconds
from agent.posture.verdict import Cut, Rule

CheckId = Literal[
    "apps.unapproved",
    "apps.forbidden",
    "apps.antimalware",
    "wifi.trust",
    "wifi.autojoin",
    "wifi.twin",
    "network.hostile",
    "network.turnaround",
    "device.encryption",
    "device.firewall",
    "device.updates",
    "device.lock",
    "device.usb",
    "device.clock",
    "device.boot",
    "device.identity",
]

LONGEST_GRACE = 180 * 86_400  # seconds; a date is told without its year


class Section(BaseModel):
    """One group of keys: fixed once read, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CheckRule(Section):
    """What is done about one check; what is not written keeps its default."""

    fail: Annotated[Response | None, Field(description="refuse, warn or off, when it fails")] = None
    unknown: Annotated[Response | None, Field(description="the same, when it could not be told")] = None
    cut: Annotated[Cut | None, Field(description="when an open tunnel ends: now, countdown or session-end")] = None
    countdown: Annotated[Seconds | None, Field(description="how long the countdown is")] = None
    max_age: Annotated[Seconds | None, Field(ge=5, description="the oldest look that counts")] = None
    grace: Annotated[Seconds, Field(le=LONGEST_GRACE, description="how long what refuses is only a warning")] = 0.0
    shadow: Annotated[StrictBool, Field(description="record what would be done, and do nothing")] = False


# Our choices: what forbids is refused at once; hygiene is told, and IT decides when it refuses.
FORBIDS = Rule()
HYGIENE = Rule(fail=Response.WARN, unknown=Response.OFF, cut=Cut.SESSION_END, max_age=3_600.0)
DEFAULT_RULES: Mapping[CheckId, Rule] = {
    "apps.unapproved": FORBIDS,
    "apps.forbidden": FORBIDS,
    "apps.antimalware": HYGIENE,
    "wifi.trust": FORBIDS,
    "wifi.autojoin": HYGIENE,
    "wifi.twin": Rule(unknown=Response.OFF),
    "network.hostile": Rule(unknown=Response.WARN),
    "network.turnaround": HYGIENE,
    "device.encryption": HYGIENE,
    "device.firewall": HYGIENE,
    "device.updates": HYGIENE,
    "device.lock": HYGIENE,
    "device.usb": HYGIENE,
    "device.clock": HYGIENE,
    "device.boot": HYGIENE,
    "device.identity": HYGIENE,
}
