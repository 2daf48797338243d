"""What is wished for: a site, an emergency, and what the policy grants of either. It decides nothing."""

from dataclasses import dataclass, replace

from agent.posture.verdict import Finding, Verdict
from agent.problems import Problem

Reason = Finding | Problem


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policy grants for a site besides a full tunnel; times are seconds.

    `service` is how long a refused machine may reach what heals it (None: not at all), `policy_url` where
    a newer policy lies, `comes_back` how soon a cure must come for the site to open again by itself (0: never).
    """

    service: float | None = None
    policy_url: str | None = None
    comes_back: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """One user's wish for one site.

    After a cut it stands until `back`: cured by then, the site opens again by itself, but not before `pause` is
    over. `cuts` are the instants at which it was lately cut.
    """

    site: str
    uid: int
    terms: Terms = Terms()
    back: float | None = None
    cuts: tuple[float, ...] = ()
    pause: float = 0.0

    def stands_until(self, back: float | None) -> "Wish":
        """Give the same wish, to stand until another instant."""
        return replace(self, back=back)

    def waits(self, now: float) -> "Wish":
        """Let the wish stand for as long as the policy grants; where it stands already, no longer."""
        if self.back is not None or not self.terms.comes_back:
            return self
        return self.stands_until(now + self.terms.comes_back)

    def after_cut(self, now: float) -> "Wish":
        """Let the wish stand, and note that it was cut."""
        waiting = self.waits(now)
        return waiting if waiting.back is None else replace(waiting, cuts=(*self._lately(now), now))

    def in_vain(self, now: float) -> "Wish":
        """Pause for a moment, for the network is not up yet."""
        return replace(self, pause=now + PAUSE)

    def may_return(self, now: float) -> bool:
        """Tell whether the site may open again by itself now; a machine that flaps must wait longer."""
        return self.back is not None and self.pause <= now < self.back and len(self._lately(now)) <= MOST_RETURNS

    def _lately(self, now: float) -> tuple[float, ...]:
        return tuple(at for at in self.cuts if now - at < RETURNS_WITHIN)


@dataclass(frozen=True, slots=True)
class Plea:
    """An emergency as a person and the policy put it: its reason's code, how long, and which checks it passes over."""

    reason: str
    seconds: float
    overridable: frozenset[str]


def standing(verdict: Verdict, plea: Plea | None) -> Verdict:
    """Take out of a verdict what an emergency passes over; without one, all of it stands."""
    if plea is None:
        return verdict
    return replace(verdict, findings=tuple(one for one in verdict.findings if one.check not in plea.overridable))


# Our choices: how often within how many seconds a site opens again by itself, and seconds after a try in vain.
MOST_RETURNS = 3
RETURNS_WITHIN = 600.0
PAUSE = 2.0
