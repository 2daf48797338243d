"""The wireless networks of a policy: which may carry the way to the hospital."""

from typing import Annotated, Literal

from pydantic import Field

from agent.posture.checks.wifi import Strength
from agent.posture.policy.rules import Section
from agent.posture.policy.values import Ssid, Text


class OwnNetwork(Section):
    """A wireless network that was registered: somebody's home, or somebody's phone."""

    ssid: Ssid
    title: Text
    at_least: Strength = Strength.WPA2


class Wifi(Section):
    """Which wireless networks may be used. Open ones never may."""

    own: Annotated[tuple[OwnNetwork, ...], Field(max_length=64, description="registered networks")] = ()
    protected: Annotated[
        Literal["allow", "refuse"], Field(description="networks with a password that are not registered")
    ] = "allow"
    at_least: Annotated[Strength, Field(description="how well those must be protected")] = Strength.WPA2
