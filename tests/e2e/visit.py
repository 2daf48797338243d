"""Knows one doctor's visit to the laptop: Sekisho installed afresh, asked by its command, and what it told.

Never looks inside Sekisho: everything is seen through the command, the kernel and the events file.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

from tests.lab.endpoint import Answer, Endpoint
from tests.lab.namespaces import PACS
from tests.lab.run import Program, wait_until
from tests.lab.scene import Scene
from tests.lab.snapshot import Snapshot

Json = Mapping[str, object]


@dataclass(frozen=True)
class Told:
    """One reason as it was told in both languages."""

    code: str
    outcome: str
    seen: str
    remedy: str
    who: str


@dataclass(frozen=True)
class Visit:
    """One fresh installation on the shared laptop, and the laptop's network as it was before."""

    scene: Scene
    endpoint: Endpoint
    before: Snapshot

    @classmethod
    def prepare(cls, scene: Scene, name: str) -> Self:
        """Install Sekisho with the hospital's policy; nothing runs yet."""
        return cls(scene, scene.endpoint(name), Snapshot.take(scene.laptop))

    def start(self, policy: str | None = None, within: Sequence[str] = ()) -> Self:
        """Start the look helper and the daemon, with another policy if wanted."""
        if policy is not None:
            self.endpoint.policy.write_text(policy)
        self.endpoint.start(within)
        return self

    def rest(self) -> None:
        """Make an installation that others use too idle again; it must have done well up to now."""
        assert self.sekisho("disconnect").code == 0
        self.is_as_before()
        self._met_no_error_of_its_own()

    def end(self) -> None:
        """Stop what still runs; the daemon must end well, and leave the laptop as it was."""
        for daemon in self.endpoint.daemons:
            if daemon.alive:
                assert daemon.stop() == 0
        for looker in self.endpoint.lookers:
            looker.stop()
        self.is_as_before()
        self._met_no_error_of_its_own()

    def sekisho(self, *words: str, seconds: float = 30.0) -> Answer:
        """Run the command as the doctor."""
        return self.endpoint.sekisho(*words, seconds=seconds)

    def connect(self) -> Json:
        """Connect, and see that packets pass; return the status that was told."""
        answer = self.sekisho("connect", "--json", seconds=90)
        assert answer.code == 0, answer
        assert self.scene.town.laptop.pings(PACS)
        return cast(Json, answer.lines[-1]["status"])

    def refused(self, code: str, exit_code: int = 4) -> Told:
        """Ask to connect and be told exactly one reason, by connect and again by why; nothing is half set up."""
        told = self.refused_for(exit_code)
        assert [one.code for one in told] == [code]
        return told[0]

    def refused_for(self, exit_code: int) -> list[Told]:
        """Ask to connect and be refused; return the reasons."""
        answer = self.sekisho("connect", "--json", seconds=90)
        assert answer.code == exit_code, answer
        told = read_reasons(answer.lines[-1])
        self.is_as_before()
        assert self.state() != "open"
        return told

    def why(self) -> list[Told]:
        """Ask why; the same code stands in the lines for people, in both languages."""
        answer = self.sekisho("why", "--json")
        assert answer.code == 0, answer
        told = read_reasons(answer.lines[-1])
        for language in ("en", "ja"):
            printed = self.sekisho("why", "--language", language).output
            assert all(one.code in printed for one in told), printed
        return told

    def is_cut(self, code: str, seconds: float = 20.0) -> Told:
        """Wait until the open tunnel is closed for one reason, and the laptop is as before."""
        self.endpoint.wait_for_state("refused", seconds)
        told = self.why()
        assert [one.code for one in told] == [code]
        self.is_as_before()
        assert self.sekisho("status").code == 7
        return told[0]

    def state(self) -> object:
        """Ask for the state."""
        return self.endpoint.status()["state"]

    def is_as_before(self) -> None:
        """Compare the laptop's network with what it was, as text."""
        assert self.before.difference(Snapshot.take(self.scene.laptop)) == ""

    def beside(self, *words: str) -> Program:
        """Start `sekisho WORDS` as the doctor and go on."""
        argv = (self.endpoint.command, *words)
        return self.scene.laptop.start_as_doctor(f"{words[0]}-{next(_numbers)}", argv)

    def watch(self) -> "Watch":
        """Start `sekisho watch` as the doctor, and wait for its first word."""
        watch = Watch(self.beside("watch", "--json"))
        wait_until(lambda: watch.states() != [], "the first word of watch", 20)
        return watch

    def _met_no_error_of_its_own(self) -> None:
        for daemon in self.endpoint.daemons:
            assert "Traceback" not in (said := daemon.log.read_text()), said


@dataclass(frozen=True)
class Watch:
    """A `sekisho watch --json` that runs."""

    program: Program

    def states(self) -> list[str]:
        """List the states that were told up to now, without repetitions."""
        whole = self.program.log.read_text().rpartition("\n")[0]
        lines = Answer(0, whole, "", 0.0).lines
        states = [str(line["state"]) for line in lines]
        return [state for number, state in enumerate(states) if states[:number][-1:] != [state]]


def read_reasons(message: Json) -> list[Told]:
    """Read the reasons of a refusal or a status; each must be whole, in both languages."""
    return [_told(reason) for reason in cast(list[Json], message["reasons"])]


def _told(reason: Json) -> Told:
    seen, remedy = (cast(Mapping[str, str], reason[part]) for part in ("seen", "remedy"))
    for words in (seen, remedy):
        assert words["en"].endswith("."), words
        assert words["ja"].endswith("。"), words
    code, outcome, who = (str(reason[part]) for part in ("code", "outcome", "who"))
    assert who, reason
    return Told(code, outcome, seen["en"], remedy["en"], who)


_numbers = itertools.count()
