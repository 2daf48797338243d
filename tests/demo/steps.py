"""Knows the six steps of the main job, and measures each value that the demo reports.

Never reports a value that it did not see: a step that does not show what it must raises DemoError.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.demo import telling
from tests.demo.stage import DemoError, Stage, Wire, expect
from tests.lab import dicom
from tests.lab.capture import handshake_seconds, in_clear, tally
from tests.lab.namespaces import PACS
from tests.lab.orthanc import PACS_NAME
from tests.lab.run import Program, wait_until
from tests.lab.snapshot import Snapshot
from tests.lab.traffic import EchoRow
from tests.lab.unapproved import Unapproved


@dataclass(frozen=True)
class Refusal:
    """One refusal as the doctor reads it."""

    check: str
    seen: str
    remedy: str


@dataclass(frozen=True)
class Connected:
    """What connecting took, by the boot clock and on the wire."""

    connect_ms: float
    handshake_ms: float


def refuse_program(stage: Stage) -> Refusal:
    """Step 1: an unapproved program really runs, so the doctor is refused."""
    with Unapproved.start(stage.scene.laptop) as stranger:
        telling.did("The doctor runs a program that no package owns and nobody approved:")
        telling.command(f"{stranger.path} 3600 &")
        return _refused(stage, "apps.unapproved")


def refuse_wifi(stage: Stage) -> Refusal:
    """Step 2: the program is closed, but the Wi-Fi is open."""
    telling.did("The doctor closes it, but joins the café's Wi-Fi, which has no password.")
    stage.scene.wifi.switch_to(stage.scene.wifi.open_network("CafeFree"))
    return _refused(stage, "wifi.trust")


def connect(stage: Stage, wire: Wire) -> Connected:
    """Step 3: both cured, the doctor connects to the gateway behind the hotel's NAT."""
    telling.did("The doctor joins a Wi-Fi with a password, and connects.")
    stage.scene.calm()
    with EchoRow(stage.scene.town.laptop, INTERFACE, PACS) as row:
        began = boot()
        answer = stage.sekisho("connect")
        expect(answer.code == 0, f"`sekisho connect` ended with {answer.code} although both reasons were cured.")
        connect_ms = _milliseconds(row.first_answer(WAIT) - began)
    wait_until(lambda: _auth_messages(wire) >= ASKED_AND_ANSWERED, "the handshake in the capture", WAIT)
    measured = Connected(connect_ms, _milliseconds(handshake_seconds(wire.packets())))
    telling.saw("behind the NAT, by the gateway's own list", _peer(stage.scene.gateway.sas()))
    telling.saw("from the command to the first answered inner echo", f"{measured.connect_ms} ms")
    telling.saw("handshake on the wire, in the router", f"{measured.handshake_ms} ms")
    return measured


def fetch(stage: Stage, wire: Wire) -> bool:
    """Step 4: the study comes through the tunnel as it lies in the PACS, and a report goes back."""
    expect(wire.probe_seen, "The clear probe was not seen, so a capture without clear packets would prove nothing.")
    telling.saw("one deliberate clear probe to the PACS, sent before step 3, in the router", "seen")
    doctor = stage.scene.laptop.enter_as_doctor
    dicom.echo(doctor)
    telling.saw("C-ECHO", "the PACS answers")
    fetched = dicom.fetch(doctor, stage.study.uid, PACS_NAME)
    equal = fetched.digests == stage.study.digests
    telling.saw(f"WADO-RS from {PACS_NAME}", f"{len(fetched.digests)} images, {_megabytes(fetched)}")
    telling.saw("sha256 of each image equal to the PACS's file", _yes(equal))
    expect(equal, "The images that came through the tunnel are not those that lie in the PACS.")
    dicom.send(doctor, stage.report)
    expect(stage.report.uid in stage.pacs.stored(), "The report was sent, but the PACS does not have it.")
    telling.saw("C-STORE", "the report lies in the PACS")
    _judge_wire(stage, wire, "so far")
    return equal


def cut(stage: Stage) -> float:
    """Step 5: an unapproved program starts, and the tunnel is closed; return how long after its start, in ms."""
    watch = stage.scene.laptop.start_as_doctor("watch", (stage.endpoint.command, "watch", "--json"))
    wait_until(lambda: _states(watch)[-1:] == ["open"], "the first word of `sekisho watch`", WAIT, pause=0.002)
    path = Unapproved.install(stage.scene.laptop)
    telling.did("While the tunnel is open, the program is started again:")
    telling.command(f"{path} 3600 &")
    with EchoRow(stage.scene.town.laptop, INTERFACE, PACS) as row:
        row.first_answer(WAIT)
        began = boot()
        stranger = stage.scene.laptop.start_as_doctor("stranger", (path, "3600"))
        wait_until(lambda: _states(watch)[-1] != "open", "the cut", WAIT, pause=0.002)
        told = boot()
        time.sleep(QUIET)  # any echo that still passes in this time counts as not yet cut
        cut_ms = _milliseconds(max(told, row.last_answer()) - began)
    watch.stop()
    _explain_cut(stage)
    telling.saw("from before its start to the last inner packet and the told state", f"{cut_ms} ms")
    expect(cut_ms <= LONGEST_CUT, f"The tunnel was cut only {cut_ms} ms after the program's start.")
    stranger.stop()
    return cut_ms


def restore(stage: Stage, wire: Wire, before: Snapshot) -> int:
    """Step 6: cut or disconnected, the laptop is as before; return the packets in clear of the whole time."""
    after_cut = before.difference(Snapshot.take(stage.scene.laptop))
    expect(after_cut == "", f"The cut left something behind: {after_cut}")
    telling.did("The program is closed; the doctor connects once more and disconnects.")
    for word in ("connect", "disconnect"):
        code = stage.sekisho(word).code
        expect(code == 0, f"`sekisho {word}` ended with {code}.")
    difference = before.difference(Snapshot.take(stage.scene.laptop))
    expect(difference == "", f"Disconnecting left something behind: {difference}")
    telling.saw("routes, rules, addresses, packet filter, DNS", "as before, compared as text")
    clear = _judge_wire(stage, wire, "in all")
    wire.stop()
    return clear


def boot() -> float:
    """Read the boot clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _refused(stage: Stage, check: str) -> Refusal:
    answer = stage.sekisho("connect")
    expect(answer.code == REFUSED, f"`sekisho connect` ended with {answer.code} instead of {REFUSED}, refused.")
    stage.sekisho("why", "--language", "ja")
    reasons = _reasons(stage)
    expect([reason["code"] for reason in reasons] == [check], f"The refusal names {reasons} instead of {check} alone.")
    expect(stage.endpoint.status()["state"] == "refused", "The tunnel is not refused, although the command was.")
    return Refusal(check, *(_english(reasons[0][part]) for part in ("seen", "remedy")))


def _explain_cut(stage: Stage) -> None:
    stage.sekisho("why")
    codes = [reason["code"] for reason in _reasons(stage)]
    expect(codes == ["apps.unapproved"], f"The cut is explained by {codes} instead of apps.unapproved.")


def _reasons(stage: Stage) -> list[Mapping[str, object]]:
    told = stage.endpoint.sekisho("why", "--json").lines[-1]["reasons"]
    if not isinstance(told, list):
        raise DemoError(f"`sekisho why` told {told!r}.")
    return told


def _english(words: object) -> str:
    if not isinstance(words, dict):
        raise DemoError(f"{words!r} is no sentence.")
    return str(words["en"])


def _judge_wire(stage: Stage, wire: Wire, when: str) -> int:
    packets = wire.packets()
    sorts = ", ".join(f"{count} {sort}" for sort, count in sorted(tally(packets).items()))
    telling.saw(f"on the router's uplink after the probe, {when}", sorts)
    clear = in_clear(packets)
    expect(not clear, f"{len(clear)} packets passed in clear, the first: {clear[0].words if clear else ''}.")
    expect(not wire.capture.holds(PATIENT), "The patient's name was readable on the wire.")
    return len(clear)


def _auth_messages(wire: Wire) -> int:
    return sum(packet.words.endswith(" exchange 35") for packet in wire.packets())


def _peer(sas: str) -> str:
    return next((line.strip() for line in sas.splitlines() if line.strip().startswith("remote")), "(nobody)")


def _states(watch: Program) -> list[str]:
    return [json.loads(line)["state"] for line in watch.log.read_text().splitlines(keepends=True) if line[-1] == "\n"]


def _megabytes(fetched: dicom.Fetched) -> str:
    return f"{fetched.size / 1e6:.1f} MB in {fetched.seconds:.2f} s"


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


# Fixed by the command's exit codes and by ike's exchanges
REFUSED = 3
ASKED_AND_ANSWERED = 2

# Our choices; seconds, and milliseconds for the longest cut
INTERFACE = "sekisho0"
PATIENT = b"TEST^SEKISHO"
WAIT = 5.0
QUIET = 0.3
LONGEST_CUT = 1000.0
