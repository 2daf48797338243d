"""The daemon's start and end in its own process: what it trusts, and that its end refuses newcomers."""

import asyncio
from pathlib import Path

import pytest

from agent.control.messages import AskStatus, Connect, Refused, Reply, Request, Status
from agent.daemon.desk import Desk
from agent.daemon.main import _network_key, _working, main
from agent.daemon.settings import Settings, parse
from tests.test_daemon_small import POLICY


def settings(folder: Path) -> Settings:
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "policy.yaml").chmod(0o644)
    (folder / "state").mkdir()
    names = {"policy": "policy.yaml", "look": "look", "state": "state", "events": "events.jsonl"}
    words = [word for flag, name in names.items() for word in (f"--{flag}", str(folder / name))]
    return parse([*words, "--control", str(folder / "control"), "--system-bus", f"unix:path={folder}/bus"])


async def ask(desk: Desk, request: Request) -> Reply:
    return await anext(desk.answer(request, 0))


def codes(reply: Reply) -> list[str]:
    assert isinstance(reply, Refused | Status)
    return [reason.code for reason in reply.reasons]


def test_a_daemon_that_stops_opens_nothing_more(tmp_path: Path):
    async def run() -> None:
        desk = Desk()
        async with _working(settings(tmp_path), desk):
            assert isinstance(await ask(desk, AskStatus()), Status)
        assert codes(await ask(desk, Connect())) == ["stopping"]
        assert codes(await ask(desk, AskStatus())) == ["stopping"]

    asyncio.run(run())


def test_the_key_for_pseudonyms_is_made_once_and_never_half(tmp_path: Path):
    path = tmp_path / "network-key"
    key = _network_key(path)
    assert len(key) == 32
    assert _network_key(path) == key
    path.write_bytes(key[:7])
    mended = _network_key(path)
    assert len(mended) == 32
    assert mended == path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_for_pseudonyms_that_others_can_read_is_refused(tmp_path: Path):
    path = tmp_path / "network-key"
    _network_key(path)
    path.chmod(0o644)
    with pytest.raises(ValueError, match="can be read by other users"):
        _network_key(path)


def test_a_policy_can_be_checked_without_a_daemon_and_every_error_is_told(tmp_path: Path, capsys):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    assert main(["--check", "--policy", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: no errors; serial 1, sites: main\n"
    path.write_text(POLICY.replace("serial: 1", "serial: none").replace("control:", "contrl:"))
    assert main(["--check", "--policy", str(path)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.removeprefix(str(path)).split(":")[1] for line in told] == ["1", "3"]
    assert "did you mean 'control'" in told[1]


@pytest.mark.parametrize("content", [None, b"\xff", b"serial: 1\n" * 120_000])
def test_a_policy_that_cannot_be_read_is_one_sentence(tmp_path: Path, capsys, content):
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    assert main(["--check", "--policy", str(path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
