"""Which policy is in force: the newest that could be used, kept on the disk with how far its serial has come.

A policy that cannot be used is recorded and changes nothing: the last good one stays.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent import events
from agent.daemon.files import why_unreadable
from agent.daemon.memory import Memory
from agent.daemon.policy_file import (
    LARGEST_POLICY,
    MOST_FILES,
    Layer,
    Places,
    Trust,
    Written,
    digest,
    find,
    together,
    trust,
)
from agent.daemon.records import Records
from agent.posture.policy import Policy, PolicyErrors, Source
from agent.posture.policy.layers import laid
from agent.posture.policy.signing import SignatureRefused
from agent.problems import Problem, problem
from agent.shapes import Bounds, shape
from agent.words import quote

log = logging.getLogger(__name__)

Files = tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest serial that a layer ever had, and which bytes they were."""

    layer: Layer
    serial: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """What outlives the daemon: the files of the last good policy, and the highest serials."""

    good: Files = ()
    highest: tuple[Highest, ...] = ()


class Refused(Exception):
    """A policy cannot be used; `why` is a word for the records, the text one clause for the log."""

    def __init__(self, why: str, detail: str, errors: int = 1) -> None:
        super().__init__(detail)
        self.why = why
        self.errors = errors

    @property
    def problem(self) -> Problem:
        """Tell it to people."""
        return problem(CODES[self.why], str(self))


class Policies:
    """Reads, accepts and keeps policies."""

    def __init__(self, places: Places, path: Path, records: Records, wall: Callable[[], float]) -> None:
        self._troubles: dict[Literal["machine", "server"], Problem] = {}
        self._places = places
        self._path = path
        self._records = records
        self._wall = wall
        self._kept = _MEMORY.read(path)
        self._files: Files = ()
        self._policy: Policy | None = None

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is newer and could not be used, on this machine and at the server."""
        return tuple(self._troubles.values())

    def start(self) -> Policy | Problem:
        """Take the policy of this machine and its server, else the last good one, else that of this machine alone."""
        server = _of(self._kept.good, "server")
        try:
            own = self._own()
        except Refused as refused:
            return self._fall_back(refused, (), self._kept.good)
        if not own and not server:
            log.error("there is no policy at %s", self._places.file)
            return problem("policy.missing", str(self._places.file))
        try:
            return self._take((*own, *server))
        except Refused as refused:
            return self._fall_back(refused, (*own, *server), self._kept.good, own)

    def accept(self, candidate: bytes, signature: bytes | None, where: str) -> Policy | Problem:
        """Take a policy that came from the server, with its signature file; a problem says why not."""
        own = tuple(one for one in self._files if one.layer != "server")
        files = (*own, Written("server", quote(where), candidate, signature))
        try:
            policy = self._take(files)
        except Refused as refused:
            self._record(refused, files)
            self._troubles["server"] = problem("policy.kept", str(refused))
            return refused.problem
        self._troubles.pop("server", None)
        return policy

    def _own(self) -> Files:
        try:
            return find(self._places)
        except (OSError, ValueError) as error:
            raise Refused("unreadable", why_unreadable(error)) from error

    def _fall_back(self, refused: Refused, files: Files, *instead: Files) -> Policy | Problem:
        """Record the refusal, and take the first of the others that can be used."""
        self._record(refused, files)
        for others in (one for one in instead if one and one != files):
            try:
                policy = self._take(others)
            except Refused as again:
                log.error("nor can another policy be used: %s", again)
            else:
                self._troubles["machine"] = problem("policy.kept", str(refused))
                return policy
        return refused.problem

    def _take(self, files: Files) -> Policy:
        """Bring these files into force, all at once; raise `Refused`."""
        if self._policy is not None and files == self._files:
            return self._policy
        trusted = self._trust()
        policy = _whole(files, trusted)
        if files != self._kept.good:  # what was once in force stays so, also when the clock is set back
            self._demand_due(policy)
        self._keep(_Kept(files, _reached(self._kept.highest, files, trusted)))
        self._files, self._policy = files, policy
        if not trusted.demanded:
            log.info("the policy is unsigned: it is believed because it is root's")
        self._records.append(events.PolicyAccepted(policy.serial, digest(files), trusted.demanded))
        return policy

    def _trust(self) -> Trust:
        try:
            trusted = trust(self._places.keys)
        except (OSError, ValueError) as error:
            raise Refused("unsigned", why_unreadable(error)) from error
        for why in trusted.unusable:
            log.error("a key for policies cannot be used: %s", why)
        return trusted

    def _demand_due(self, policy: Policy) -> None:
        if policy.not_before is not None and policy.not_before > self._wall():
            raise Refused("early", "it holds only from a later time on than this computer's clock shows")

    def _keep(self, kept: _Kept) -> None:
        if kept == self._kept:
            return
        self._kept = kept
        try:
            _MEMORY.write(self._path, kept)
        except OSError as error:
            log.error("the policy cannot be kept for the next start: %s", why_unreadable(error))

    def _record(self, refused: Refused, files: Files) -> None:
        log.error("the policy was refused: %s", refused)
        self._records.append(events.PolicyRefused(digest(files), refused.errors, refused.why))


def _whole(files: Files, trusted: Trust) -> Policy:
    size = sum(len(one.text) for one in files)
    if size > LARGEST_TOGETHER:
        raise Refused("invalid", f"its files have {size} bytes together; {LARGEST_TOGETHER} are the most")
    try:
        return together(files, trusted)
    except SignatureRefused as refused:
        raise Refused("unsigned", str(refused)) from refused
    except PolicyErrors as wrong:
        for one in wrong.errors:
            log.error("policy: %s", one)
        raise Refused("invalid", str(wrong.errors[0]), len(wrong.errors)) from wrong


def _reached(before: tuple[Highest, ...], files: Files, trusted: Trust) -> tuple[Highest, ...]:
    """Give how far the serials have come with these files; raise `Refused` where a signed layer goes back.

    Without keys a file on this machine is root's to change at will, and has no history.
    """
    reached = {one.layer: one for one in before}
    for layer in SIGNED if trusted.demanded else ():
        now, known = _serial(layer, _of(files, layer)), reached.get(layer)
        if now is None or now == known:
            continue
        if known is not None:
            _demand_newer(now, known)
        if layer == "server" and "local" in reached:  # or a file of this machine could be sent back as the server's
            _demand_newer(now, reached["local"])
        reached[layer] = now
    return tuple(reached.values())


def _demand_newer(now: Highest, known: Highest) -> None:
    if now.serial < known.serial:
        raise Refused("older", f"its serial {now.serial} is lower than {known.serial}, which was in force before")
    if now.serial == known.serial:
        raise Refused("older", f"it is not the policy that had the serial {now.serial} before")


def _serial(layer: Layer, files: Files) -> Highest | None:
    """Give the serial that a layer says itself; on this machine a layer may leave it to another, a server may not."""
    said = laid([Source(one.file, one.text) for one in files]).value if files else None
    serial = said.get("serial") if isinstance(said, dict) else None
    if type(serial) is int and 1 <= serial <= LARGEST_SERIAL:
        return Highest(layer, serial, digest(files))
    if files and layer == "server":
        raise Refused("invalid", f"{files[0].file}: it says no serial of its own")
    return None


def _of(files: Files, layer: Layer) -> Files:
    return tuple(one for one in files if one.layer == layer)


CODES = {
    "unreadable": "policy.invalid",
    "invalid": "policy.invalid",
    "unsigned": "policy.unsigned",
    "older": "policy.older",
    "early": "policy.early",
}
SIGNED: tuple[Layer, ...] = ("local", "server")
LARGEST_SERIAL = 1 << 53

# Our choices, in bytes: a byte is kept as two digits.
LARGEST_TOGETHER = 2 << 20
_MEMORY = Memory(
    shape(_Kept, Bounds(text=LARGEST_POLICY, items=3 * MOST_FILES, whole=LARGEST_SERIAL, least=0.0, most=0.0)),
    most=8 << 20,
    nothing=_Kept(),
    lost="the last good policy cannot be read, so there is none to fall back on",
)
