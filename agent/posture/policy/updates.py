"""What a policy asks of the installed system's updates."""

from typing import Annotated

from pydantic import Field

from agent.posture.policy.rules import Section
from agent.posture.policy.values import Seconds


class Updates(Section):
    """How old the news of security updates may be; that none may wait, and that the release is supported, is fixed."""

    lists: Annotated[Seconds, Field(ge=3_600, description="how old the lists of security updates may be")] = 604_800.0
