"""The instant of a judgement: it comes in as an argument and is read nowhere here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """Seconds of the boot clock, seconds since 1970, and how many seconds local time is ahead of UTC."""

    boot: float
    wall: float
    ahead: float = 0.0
