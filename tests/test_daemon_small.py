"""The daemon's small rooms: records, settings, the jury, and how news is merged into what was seen."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from agent import events
from agent.daemon.jury import Jury
from agent.daemon.lookout import merged
from agent.daemon.records import Records
from agent.daemon.settings import parse
from agent.posture.facts import Grade, Observed, Program, Programs, Unseen
from agent.posture.policy import load
from agent.probes.client import LookedAgain, Missed, Started
from agent.probes.codec import decode_scope, encode_scope

POLICY = """\
serial: 1
help_desk: {en: the help desk, ja: ヘルプデスク, phone: 1234}
control: {users: [0]}
sites:
  main:
    gateways: [{address: 198.51.100.1, identity: "fqdn:gw.test", anchors: /etc/sekisho/ca.pem}]
    certificate: /etc/sekisho/device.pem
    key: /etc/sekisho/device.key
    networks: 10.50.0.0/24
"""


def program(pid: int, path: str = "/usr/bin/true") -> Program:
    return Program(pid, 1, 1000, "true", path, None)


SEEN = Observed(Programs((program(1), program(2)), vanished=1, unreadable=0), Grade.ROOT, "proc", 10.0)


def test_a_program_that_starts_joins_those_that_were_seen():
    after = merged(SEEN, Started(program(3), 11.0))
    assert isinstance(after, Observed)
    assert [one.pid for one in after.value.running] == [1, 2, 3]
    assert after.at == SEEN.at


def test_a_process_that_runs_something_else_now_is_no_second_process():
    after = merged(SEEN, Started(program(2, "/tmp/stranger"), 11.0))
    assert isinstance(after, Observed)
    assert [(one.pid, one.path) for one in after.value.running] == [(1, "/usr/bin/true"), (2, "/tmp/stranger")]


def test_news_from_before_the_look_is_no_news():
    assert merged(SEEN, Started(program(3), 9.0)) == SEEN


def test_what_was_missed_is_counted():
    after = merged(SEEN, Missed(2, 3, 11.0))
    assert isinstance(after, Observed)
    assert (after.value.vanished, after.value.unreadable) == (3, 3)


def test_a_whole_new_look_replaces_the_old_one():
    fresh = Unseen("the list of processes cannot be read", 12.0)
    assert merged(SEEN, LookedAgain(fresh)) == fresh


def test_nothing_can_be_added_to_nothing():
    nothing = Unseen("nobody has looked yet", 0.0)
    assert merged(nothing, Started(program(3), 11.0)) == nothing


def test_each_event_is_one_numbered_line(tmp_path: Path):
    records = Records(tmp_path / "log" / "events.jsonl", lambda: 1_800_000_000.0)
    records.append(events.Stopped())
    records.append(events.PolicyAccepted(3, "ab" * 32))
    records.close()
    lines = [json.loads(line) for line in (tmp_path / "log" / "events.jsonl").read_text().splitlines()]
    assert [(line["event"], line["seq"]) for line in lines] == [("stopped", 1), ("policy-accepted", 2)]
    assert (tmp_path / "log" / "events.jsonl").stat().st_mode & 0o777 == 0o640


def test_an_event_that_cannot_be_expressed_is_logged_and_loses_nothing_else(tmp_path: Path, caplog):
    records = Records(tmp_path / "events.jsonl", lambda: 1_800_000_000.0)
    records.append(events.PolicyAccepted(3, "not a digest"))
    records.append(events.Stopped())
    records.close()
    assert "was not recorded" in caplog.text
    assert [json.loads(line)["event"] for line in (tmp_path / "events.jsonl").read_text().splitlines()] == ["stopped"]


def test_a_full_disk_stops_no_daemon(caplog):
    records = Records(Path("/dev/full"), lambda: 1_800_000_000.0)
    records.append(events.Stopped())
    records.close()
    assert "was not recorded" in caplog.text


def test_events_are_never_written_through_a_link(tmp_path: Path):
    (tmp_path / "events.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Records(tmp_path / "events.jsonl", lambda: 0.0)


def test_the_daemon_leaves_no_core_dump():
    work = (
        "from agent.daemon.secrecy import forbid_core_dumps as f; f(); import ctypes; print(ctypes.CDLL(None).prctl(3))"
    )
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_the_daemon_has_places_for_everything():
    settings = parse([])
    assert settings.policy == Path("/etc/sekisho/policy.yaml")
    assert settings.system_bus.startswith("unix:path=")


def test_a_flag_that_does_not_exist_ends_with_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--polizy", "x"])
    assert ended.value.code == 2
    assert "--polizy" in capsys.readouterr().err


def jury(more: str = "") -> Jury:
    return Jury(load(POLICY + more, "policy.yaml"), b"k" * 32)


def test_root_and_the_named_users_may_ask_and_nobody_else():
    assert jury().may_ask(0)
    assert not jury().may_ask(65534)


def test_the_asking_users_programs_are_judged_unless_the_policy_names_others():
    assert jury().scope(4321).uids == {4321}
    assert jury("apps: {users: [root]}\n").scope(4321).uids == {0}


def test_listed_places_are_hashed_even_when_a_package_owns_them():
    scope = jury("apps: {forbidden: [{title: Remote control, path: /opt/remote/**}]}\n").scope(0)
    assert scope.listed == ("/opt/remote/**",)
    assert scope.hash == "unowned"


@pytest.mark.parametrize(("count", "length"), [(1001, 20), (900, 120)])
def test_a_list_too_long_for_the_helper_means_that_every_program_is_hashed(count: int, length: int):
    files = "".join(f"      - {{path: /opt/{number:0{length}}, sha256: {'ab' * 32}}}\n" for number in range(count))
    scope = jury(f"apps:\n  approved:\n    files:\n{files}").scope(0)
    assert (scope.hash, scope.listed) == ("all", ())
    assert decode_scope(encode_scope(scope)) == scope


def test_a_look_is_repeated_before_any_fact_is_too_old_to_count():
    assert jury().look_every == 60.0
    assert jury("checks: {wifi.trust: {max_age: 20s}}\n").look_every == 10.0
    assert jury("checks: {wifi.trust: {max_age: 5s}}\n").look_every == 2.5


def test_a_line_that_does_not_fit_the_disk_leaves_no_half_of_itself(tmp_path: Path, caplog):
    path = tmp_path / "events.jsonl"
    records = Records(path, lambda: 1_800_000_000.0)
    records.append(events.Stopped())
    whole = path.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 10, limits[1]))
    try:
        records.append(events.Stopped())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    records.append(events.Stopped())
    records.close()
    assert "was not recorded" in caplog.text
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [1, 2]
