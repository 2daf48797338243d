"""Break-glass in a policy: who may break it, for which reasons, how long, how far, and what it never breaks."""

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, Field, StrictInt

from agent.posture.policy.rules import CheckId, Section
from agent.posture.policy.sites import Site, Title, is_within
from agent.posture.policy.values import BothLanguages, OneOrMore, ProtectedNetwork, UsersValue


def _code(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", text):
        raise ValueError("a reason's code has 1 to 32 letters a-z, digits and '-'; its words may be any text")
    return text


def _overridable(check: CheckId) -> CheckId:
    if check == "device.identity":
        raise ValueError("an emergency never overrides who this computer is")
    return check


class Emergency(Section):
    """What a doctor may open in an emergency although a check refuses: narrowed, for a time, and recorded."""

    reasons: Annotated[
        dict[Annotated[str, AfterValidator(_code)], Annotated[Title, BothLanguages]],
        Field(min_length=1, max_length=16, description="codes and words of the reasons to choose from"),
    ]
    overridable: Annotated[
        tuple[Annotated[CheckId, AfterValidator(_overridable)], ...],
        Field(min_length=1, max_length=16, description="checks that may stand in the way and are passed over"),
        OneOrMore,
    ]
    networks: Annotated[
        tuple[ProtectedNetwork, ...],
        Field(min_length=1, max_length=64, description="all that is reached; of each site, what lies within its own"),
        OneOrMore,
    ]
    minutes: Annotated[StrictInt, Field(ge=1, le=480, description="after which it ends by itself")] = 60
    users: Annotated[UsersValue | None, Field(description="who may; default: whoever may connect")] = None

    def reached(self, site: Site) -> tuple[IPv4Network | IPv6Network, ...]:
        """Give what an emergency reaches of one site."""
        return tuple(network for network in self.networks if is_within(network, site.networks))
