"""The laptop itself in a policy: its antivirus program, disks, clock, start, screen lock and certificate."""

import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from agent.posture.checks.antimalware import Antivirus
from agent.posture.checks.boot import SecureStart
from agent.posture.checks.clock import ClockRight
from agent.posture.checks.encryption import Encryption as Encrypted
from agent.posture.checks.identity import Identity as Papers
from agent.posture.checks.lock import KeptOut
from agent.posture.checks.updates import UpToDate
from agent.posture.checks.usb import Allowed, UsbDisks
from agent.posture.moment import Moment
from agent.posture.policy.rules import CheckId, Section
from agent.posture.policy.updates import Updates
from agent.posture.policy.values import File, OneOrMore, Seconds, Text
from agent.posture.verdict import Check
from agent.words import Words, quote


def _unit(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9:_.@-]{1,200}\.service", value):
        raise ValueError(
            f"write the name of a systemd service such as clamav-daemon.service; this is {quote(str(value))!r}"
        )
    return value


Unit = Annotated[
    str,
    PlainValidator(_unit),
    WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9:_.@-]{1,200}\.service$"}),
]


class Scanner(Section):
    """An antivirus program that is good enough when it runs."""

    title: Annotated[Text, Field(description="how people call it")]
    unit: Annotated[Unit, Field(description="its systemd service")]
    database: Annotated[File, Field(description="the folder of its signatures")]


class Antimalware(Section):
    """Which antivirus programs count, of which one must run."""

    scanners: Annotated[tuple[Scanner, ...], Field(min_length=1, max_length=16)] = (
        Scanner(title="ClamAV", unit="clamav-daemon.service", database="/var/lib/clamav"),
    )
    signatures: Annotated[Seconds, Field(ge=3_600, description="how old its signatures may be")] = 604_800.0
    on_access: Annotated[
        Literal["require", "ignore"], Field(description="whether it must check files as they are opened (ClamAV only)")
    ] = "ignore"


class Encryption(Section):
    """What must be encrypted on the disk: always the home, the swap and what holds images."""

    system: Annotated[
        Literal["require", "ignore"],
        Field(description="ignore: '/', '/home' and '/var/tmp' need not be, as where only homes are (fscrypt)"),
    ] = "require"


class Usb(Section):
    """Which disks that can be taken away may be used: USB disks, memory cards, discs."""

    storage: Annotated[
        Allowed, Field(description="allow, sealed (encrypted, or only read) or forbid (also the drivers)")
    ] = Allowed.SEALED


class Clock(Section):
    """How right the clock must be."""

    offset: Annotated[Seconds, Field(ge=1, description="how far off it may be")] = 5.0


class Lock(Section):
    """When the screen must lock."""

    after: Annotated[Seconds, Field(ge=60, description="how long nobody may have touched the computer")] = 900.0


class Identity(Section):
    """Who issues the computers' certificates, and when their end is told."""

    warn: Annotated[
        tuple[Seconds, ...], Field(min_length=1, max_length=8, description="how long before the end"), OneOrMore
    ] = (2_592_000.0, 1_209_600.0, 259_200.0)
    authorities: Annotated[
        tuple[File, ...],
        Field(max_length=16, description="authorities that issue them; default: those of the site's routers"),
        OneOrMore,
    ] = ()


class Device(Section):
    """The laptop itself."""

    encryption: Encryption = Encryption()
    usb: Usb = Usb()
    clock: Clock = Clock()
    updates: Updates = Updates()
    lock: Lock = Lock()
    identity: Identity = Identity()


def device_checks(
    device: Device, antimalware: Antimalware, help_desk: Words, now: Moment
) -> tuple[tuple[CheckId, Check], ...]:
    """Give the checks of the laptop itself."""
    return (
        ("apps.antimalware", Antivirus(help_desk, antimalware.signatures, antimalware.on_access == "require")),
        ("device.encryption", Encrypted(help_desk, device.encryption.system == "require")),
        ("device.updates", UpToDate(help_desk, now.wall, now.ahead, device.updates.lists)),
        ("device.lock", KeptOut(help_desk, device.lock.after)),
        ("device.usb", UsbDisks(help_desk, device.usb.storage)),
        ("device.clock", ClockRight(help_desk, device.clock.offset)),
        ("device.boot", SecureStart(help_desk)),
        ("device.identity", Papers(help_desk, now.wall, now.ahead, device.identity.warn)),
    )
