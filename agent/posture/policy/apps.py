"""The programs of a policy: which are looked at, which may run and which must not."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agent.posture.policy.device import Antimalware
from agent.posture.policy.rules import Section
from agent.posture.policy.values import (
    Digest,
    OneOrMore,
    PackageName,
    Packages,
    Pattern,
    Seconds,
    SystemPattern,
    Text,
    Users,
    UsersValue,
)


class ApprovedFile(Section):
    """A program that no package owns: its place and its content."""

    path: Pattern
    sha256: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=64), OneOrMore]


class Approved(Section):
    """What may run. A program is approved when one of these lines fits it."""

    packages: Annotated[Packages, Field(description="'all', or the packages whose programs may run")] = None
    origin: Annotated[
        Literal["any", "known"], Field(description="'known': only packages that a configured source offers")
    ] = "any"
    sources: Annotated[
        tuple[Text, ...],
        Field(max_length=64, description="only packages of these sources, by the Origin that each names itself"),
        OneOrMore,
    ] = ()
    lists: Annotated[Seconds, Field(ge=3600, description="how old what the sources offer may be")] = 2_592_000.0
    files: Annotated[tuple[ApprovedFile, ...], Field(max_length=4096)] = ()
    sha256: Annotated[
        tuple[Digest, ...], Field(max_length=4096, description="content, wherever it lies"), OneOrMore
    ] = ()
    paths: Annotated[tuple[SystemPattern, ...], Field(max_length=256), OneOrMore] = ()

    @property
    def asks_for_origins(self) -> bool:
        """Whether a package must come from a configured source."""
        return self.origin == "known" or bool(self.sources)


class Forbidden(Section):
    """A program that must not run while connected; any one of its marks is enough."""

    title: Text
    name: Text | None = None
    package: PackageName | None = None
    path: Pattern | None = None
    sha256: Digest | None = None

    @model_validator(mode="after")
    def _marked(self) -> "Forbidden":
        if not (self.name or self.package or self.path or self.sha256):
            raise ValueError("give at least one mark: name, package, path or sha256")
        return self


class Apps(Section):
    """Which programs are looked at, which may run and which must not."""

    users: Annotated[UsersValue, Field(description="whose programs are judged; default: those of whoever connects")] = (
        Users(everyone=False)
    )
    approved: Approved = Approved()
    forbidden: Annotated[tuple[Forbidden, ...], Field(max_length=1024)] = ()
    antimalware: Antimalware = Antimalware()

    @model_validator(mode="after")
    def _named(self) -> "Apps":
        if self.users.everyone:
            raise ValueError("'apps.users' is a list of user names; leave it out for whoever connects")
        return self
