"""A policy, whole: its sections and what stands above them.

Data only: it reads no file, resolves no name and opens no certificate. Whatever is written wrong
is told by `load`, which turns it into sentences.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StrictInt, model_validator

from agent.posture.policy.apps import Apps
from agent.posture.policy.device import Device
from agent.posture.policy.emergency import Emergency
from agent.posture.policy.network import Network
from agent.posture.policy.rules import DEFAULT_RULES, CheckId, CheckRule, Section
from agent.posture.policy.schedule import OfficeHours
from agent.posture.policy.sites import Site
from agent.posture.policy.values import Instant, SiteName, Text, Users, UsersValue
from agent.posture.policy.wifi import Wifi
from agent.posture.verdict import Rule
from agent.words import Language


class HelpDesk(Section):
    """Whom a person calls; every remedy that needs somebody names it."""

    en: Text
    ja: Text
    phone: Text


class Control(Section):
    """Who may connect and disconnect. The system administrator (root) always may."""

    users: Annotated[UsersValue, Field(description="'people', or a list of user names")] = Users(everyone=False)


class Policy(Section):
    """What a hospital decides about its laptops."""

    serial: Annotated[StrictInt, Field(ge=1, le=2**53, description="grows with every change")]
    not_before: Annotated[Instant | None, Field(description="refused by a laptop until then")] = None
    language: Annotated[Language, Field(description="language for people who chose none")] = "ja"
    help_desk: HelpDesk
    control: Control = Control()
    mode: Annotated[
        Literal["enforce", "shadow"], Field(description="shadow: record what would be done, and refuse nobody")
    ] = "enforce"
    office_hours: OfficeHours = OfficeHours()
    sites: Annotated[dict[SiteName, Site], Field(min_length=1, max_length=64)]
    emergency: Annotated[Emergency | None, Field(description="default: nothing is ever passed over")] = None
    checks: dict[CheckId, CheckRule] = Field(default_factory=dict)
    apps: Apps = Apps()
    wifi: Wifi = Wifi()
    network: Network = Network()
    device: Device = Device()

    @model_validator(mode="after")
    def _reaches(self) -> Self:
        """Refuse what nobody would notice before an emergency: that nothing is reached in it."""
        if self.emergency and not any(map(self.emergency.reached, self.sites.values())):
            raise ValueError("the 'networks' of 'emergency' lie outside those of every site: nothing would be reached")
        return self

    @property
    def rules(self) -> Mapping[str, Rule]:
        """What is done about every check, by its code."""
        return {check: self.rule(check) for check in DEFAULT_RULES}

    def rule(self, check: CheckId) -> Rule:
        """Give what is done about a check: what is written, and its default for the rest."""
        usual, written = DEFAULT_RULES[check], self.checks.get(check, CheckRule())
        return Rule(
            fail=written.fail or usual.fail,
            unknown=written.unknown or usual.unknown,
            cut=written.cut or usual.cut,
            countdown=usual.countdown if written.countdown is None else written.countdown,
            max_age=usual.max_age if written.max_age is None else written.max_age,
            shadow=written.shadow or self.mode == "shadow",
            grace=written.grace,
        )
