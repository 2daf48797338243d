"""IT's desk: policies checked, explained, signed and rehearsed, in both languages and for programs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control.messages import Checked, Report, encode
from agent.daemon.settings import parse
from agent.events import Outcome
from agent.office.policy import COMMANDS, MACHINE, main, parser
from agent.office.reports import NoReport, stored
from agent.posture import policy
from agent.posture.policy.explaining import LOOKS_AT
from agent.posture.policy.rehearsing import Rehearsal, Stored, rehearse
from agent.posture.policy.rules import DEFAULT_RULES
from agent.words import Words
from tests.test_policy import EXAMPLES, SHORTEST

DAY, NIGHT = "2026-11-24T03:00:00+00:00", "2026-11-24T18:30:00+00:00"
TOKYO = 9 * 3600.0
TUESDAY_NOON, SATURDAY_NOON = 1_795_489_200.0, 1_795_834_800.0


@pytest.fixture(autouse=True)
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sit in Tokyo and speak English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as there:
        there.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


def written(folder: Path, text: str = SHORTEST, name: str = "policy.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def did(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    said = capsys.readouterr()
    return code, said.out, said.err


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Mapping[str, object]]:
    code, out, err = did(capsys, *words, "--json")
    assert (out.count("\n"), err) == (1, "")
    return code, json.loads(out)


def test_a_policy_without_errors_is_said_to_have_none(tmp_path: Path, capsys):
    file = written(tmp_path)
    assert did(capsys, "check", file) == (0, f"{file}: no errors; serial 7, sites: main\n", "")
    assert told(capsys, "check", file) == (0, {"files": [file], "serial": 7, "sites": ["main"], "errors": []})
    assert did(capsys, "--language", "ja", "check", file)[1] == f"{file}: 誤りはありません(通し番号 7、接続先: main)\n"


def test_every_error_is_told_with_its_place(tmp_path: Path, capsys):
    file = written(tmp_path, SHORTEST.replace("serial: 7", "serial: x\nserail: 2"))
    code, out, err = did(capsys, "check", file)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"{file}:1:9: write a whole number for 'serial'",
        f"{file}:2:1: the policy has no key 'serail'; did you mean 'serial'?",
    ]
    code, answer = told(capsys, "check", file)
    errors = answer["errors"]
    assert isinstance(errors, list)
    assert (code, errors[0]["line"], errors[0]["column"], errors[1]["line"]) == (1, 1, 9, 2)


def test_several_files_are_laid_over_each_other(tmp_path: Path, capsys):
    base, over = written(tmp_path), written(tmp_path, "serial: 8\n", "over.yaml")
    assert told(capsys, "check", base, over)[1]["serial"] == 8
    assert told(capsys, "check", over, base)[1]["serial"] == 7


@pytest.mark.parametrize("content", [b"\xff", b"#" * (1 << 20 | 1), b""])
def test_what_is_no_policy_is_one_line_and_a_one(tmp_path: Path, capsys, content: bytes):
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    code, _, err = did(capsys, "check", str(path))
    assert (code, len(err.splitlines())) == (1, 1)


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys):
    assert did(capsys, "check", f"{tmp_path}/none") == (1, "", f"{tmp_path}/none: No such file or directory\n")
    assert told(capsys, "check", f"{tmp_path}/none")[0] == 1


def test_without_a_file_it_is_the_policy_of_this_machine_where_the_daemon_looks_for_it(capsys, monkeypatch):
    places = parse([]).policies
    assert tuple(map(str, (places.vendor, places.file, places.local))) == MACHINE
    monkeypatch.setattr("agent.office.policy.MACHINE", ("/nonexistent/a", "/nonexistent/b"))
    assert did(capsys, "check") == (1, "", "There is no policy on this computer.\n")


@pytest.mark.parametrize(
    "words", [(), ("chek",), ("check", "--jsn"), ("explain", "--check", "wifi"), ("rehearse", "p")]
)
def test_wrong_usage_is_a_two(words: tuple[str, ...], capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: sekisho policy" in capsys.readouterr().err


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_in_both_languages(command: str, language, capsys):
    with pytest.raises(SystemExit) as ended:
        parser(language).parse_args([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


def test_every_check_is_explained_with_what_follows_and_which_file_said_so(tmp_path: Path, capsys):
    base = written(tmp_path, SHORTEST + "checks: {wifi.trust: {fail: warn, grace: 14d}}\n")
    over = written(
        tmp_path, "checks:\n  wifi.trust:\n    fail: refuse\n    cut: countdown\n    countdown: 90s\n", "b.yaml"
    )
    code, out, _ = did(capsys, "explain", base, over)
    assert code == 0
    assert [line.split(":")[0] for line in out.split("\n\n")[1:]] == list(DEFAULT_RULES)
    (trust,) = (part for part in out.split("\n\n") if part.startswith("wifi.trust"))
    assert trust.splitlines() == [
        "wifi.trust: the links in use, and what protects a Wi-Fi among them",
        f"  when it fails: refuses the connection ({over}:3)",
        "  when it cannot be told: refuses the connection (default)",
        f"  an open tunnel: ends after 90 s, which are counted down ({over}:4)",
        "  a look counts for: 5 min (default)",
        f"  grace: for 14 d, what refuses is only a warning ({base}:10)",
    ]


def test_one_check_can_be_asked_for_and_shadow_is_said(tmp_path: Path, capsys):
    file = written(tmp_path, SHORTEST + "mode: shadow\n")
    out = did(capsys, "explain", "--check", "wifi.trust", "--language", "ja", file)[1]
    assert "全体が記録のみの設定です" in out
    assert f"  記録のみ: 記録のみで影響なし({file}:10)" in out
    assert "apps.unapproved" not in out
    (check,) = told(capsys, "explain", "--check", "wifi.trust", file)[1]["checks"]  # type: ignore[misc]
    assert (check["shadow"], check["written"], check["fail"]) == (True, {"shadow": f"{file}:10"}, "refuse")


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_explained(path: Path, language: str, capsys):
    code, out, _ = did(capsys, "explain", "--language", language, str(path))
    assert (code, out.count("\n\n")) == (0, len(DEFAULT_RULES))


def test_what_each_check_looks_at_is_told_in_both_languages():
    assert set(LOOKS_AT) == set(DEFAULT_RULES)
    assert all(words.en and words.ja and words.en != words.ja for words in LOOKS_AT.values())


def test_a_new_key_signs_and_its_public_half_verifies(tmp_path: Path, capsys):
    file = written(tmp_path)
    code, made = told(capsys, "new-key", f"{tmp_path}/hospital")
    assert (code, made["private"], made["public"]) == (0, f"{tmp_path}/hospital.key", f"{tmp_path}/hospital.pem")
    assert (tmp_path / "hospital.key").stat().st_mode & 0o777 == 0o600
    code, signed = told(capsys, "sign", "--key", f"{tmp_path}/hospital.key", file)
    assert (code, signed) == (0, {"signature": f"{file}.sig", "key": made["key"]})
    assert told(capsys, "verify", "--key", f"{tmp_path}/hospital.pem", file) == (0, {"file": file, "signed": True})
    (tmp_path / "policy.yaml").write_text(SHORTEST + "# more\n")
    code, _, err = did(capsys, "verify", "--key", f"{tmp_path}/hospital.pem", file)
    assert (code, err) == (1, "its signature does not fit: the policy or the signature was changed\n")


def test_a_key_is_never_written_over_and_never_left_half(tmp_path: Path, capsys):
    assert main(["new-key", f"{tmp_path}/hospital"]) == 0
    key = (tmp_path / "hospital.key").read_bytes()
    assert main(["new-key", f"{tmp_path}/hospital"]) == 1
    assert (tmp_path / "hospital.key").read_bytes() == key
    (tmp_path / "other.pem").touch()
    assert main(["new-key", f"{tmp_path}/other"]) == 1
    assert not (tmp_path / "other.key").exists()
    assert key.decode() not in capsys.readouterr().out


def test_what_cannot_sign_or_verify_is_told(tmp_path: Path, capsys):
    file = written(tmp_path)
    main(["new-key", f"{tmp_path}/k"])
    capsys.readouterr()
    assert did(capsys, "verify", "--key", f"{tmp_path}/k.pem", file)[2] == "it is not signed\n"
    assert did(capsys, "sign", "--key", f"{tmp_path}/k.pem", file)[0] == 1
    (tmp_path / "k.key").chmod(0o640)
    assert "can be used by others" in did(capsys, "sign", "--key", f"{tmp_path}/k.key", file)[2]
    assert "no public key" in did(capsys, "verify", "--key", f"{tmp_path}/k.key", file)[2]


def test_the_schema_is_printed_for_editors(capsys):
    code, out, _ = did(capsys, "schema")
    assert (code, json.loads(out)["title"]) == (0, "Policy")


def test_a_reader_that_has_enough_is_no_error():
    argv = [sys.executable, "-m", "agent.office", "policy", "schema"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as desk:
        assert desk.stdout is not None
        desk.stdout.close()
        assert desk.stderr is not None
        assert (desk.stderr.read(), desk.wait()) == (b"", 0)


def reported(folder: Path, device: str, at: str, *, allowed: bool = True, **answers: str) -> Path:
    """One report of a device, added to its file."""
    said = Words("Seen.", "確認。")
    findings = tuple(
        Checked(code.replace("_", ".", 1), outcome, "warn", said, said, "you", "B", "test", 1.0)  # type: ignore[arg-type]
        for code, outcome in answers.items()
    )
    path = folder / f"{device}.json"
    with path.open("ab") as file:
        file.write(encode(Report(at, 1, allowed, findings, None)))
    return path


UPDATES = SHORTEST + "checks: {device.updates: {fail: refuse}, device.lock: {fail: refuse, grace: 7d}}\n"


def test_a_rehearsal_tells_whom_a_policy_would_refuse_and_when(tmp_path: Path, capsys):
    file = written(tmp_path, UPDATES)
    a = reported(tmp_path, "a", DAY, device_updates="fail", wifi_trust="pass")
    reported(tmp_path, "a", NIGHT, device_updates="pass", wifi_trust="pass")
    b = reported(tmp_path, "b", NIGHT, device_updates="fail", device_lock="fail")
    c = reported(tmp_path, "c", DAY, allowed=False, wifi_trust="fail")
    d = reported(tmp_path, "d", DAY, device_updates="pass", device_lock="fail")
    code, out, _ = did(capsys, "rehearse", file, str(a), str(b), str(c), str(d))
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "Reports: 5, devices: 4")
    assert lines[1] == "Devices that it would refuse: 3 (let through until now: 2, outside office hours: 1)"
    assert "  device.updates: 2" in lines
    assert "  wifi.trust: 1" in lines
    assert "  device.lock: 2, after a grace" in lines
    assert "  apps.unapproved: 4 do not tell of it" in lines
    answer = told(capsys, "rehearse", file, str(a), str(b), str(c), str(d))[1]
    assert (answer["refused"], answer["newly"], answer["outside_hours"]) == (["a", "b", "c"], ["a", "b"], ["b"])


def test_a_report_that_cannot_be_read_is_left_out_and_said(tmp_path: Path, capsys):
    file, good = written(tmp_path), reported(tmp_path, "good", DAY, wifi_trust="pass")
    bad = tmp_path / "bad.json"
    bad.write_text("\n{}\n")
    code, out, _ = did(capsys, "rehearse", file, str(good), str(bad), f"{tmp_path}/none.json")
    assert (code, out.splitlines()[0]) == (1, "Reports: 1, devices: 1")
    assert f"Left out: {bad}:2: this is no report of 'sekisho report --json': the line names no message" in out
    assert "none.json: No such file or directory" in out


@given(st.binary(max_size=200))
def test_garbage_is_no_report(tmp_path_factory, garbage: bytes):
    path = tmp_path_factory.mktemp("reports") / "device.json"
    path.write_bytes(garbage)
    with pytest.raises(NoReport):
        stored(path)


@pytest.mark.parametrize("at", ["soon", "2026-13-01T00:00:00+00:00", "", "0001-01-01T00:00:00"])
def test_a_report_without_a_time_is_none(tmp_path: Path, at: str):
    with pytest.raises(NoReport):
        stored(reported(tmp_path, "a", at))


def tried(more: str, at: float = TUESDAY_NOON, **answers: Outcome) -> Rehearsal:
    said = {code.replace("_", ".", 1): outcome for code, outcome in answers.items()}
    return rehearse(policy.load(SHORTEST + more, "policy.yaml"), [Stored("a", at, TOKYO, said, True)])


def test_shadow_and_grace_refuse_nobody_in_a_rehearsal_and_are_told_apart():
    shadow = tried("checks: {wifi.trust: {shadow: true}}\n", wifi_trust=Outcome.FAIL)
    assert (shadow.refused, shadow.tried[0].shadow) == (frozenset(), ("wifi.trust",))
    grace = tried("checks: {wifi.trust: {grace: 1d}}\n", wifi_trust=Outcome.FAIL)
    assert (grace.refused, grace.tried[0].later) == (frozenset(), ("wifi.trust",))


def test_what_nobody_could_look_at_refuses_in_a_rehearsal_too():
    lost = Stored("a", TUESDAY_NOON, TOKYO, {}, False, lost=True)
    assert rehearse(policy.load(SHORTEST, "policy.yaml"), [lost]).refused == {"a"}


@pytest.mark.parametrize(("at", "outside"), [(TUESDAY_NOON, set()), (SATURDAY_NOON, {"a"})])
def test_a_refusal_on_a_weekend_is_outside_office_hours(at: float, outside: set[str]):
    assert tried("", at, wifi_trust=Outcome.FAIL).outside_hours == outside
