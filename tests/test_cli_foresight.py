"""`sekisho ready` and `sekisho network` against a stand-in for the daemon: what is told, and the exit codes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import foresight, own_networks
from agent.cli.asking import CODES
from agent.control.client import ControlError
from agent.control.messages import (
    AddNetwork,
    AskNetworks,
    AskReady,
    Coming,
    Network,
    Networks,
    Readiness,
    Reason,
    Refused,
    RemoveNetwork,
    Request,
    encode,
)
from agent.control.server import reason
from agent.problems import CATALOGUE, problem
from agent.words import Words
from tests.standin import StandIn, run, says

CERTIFICATE = Coming(
    "soon",
    "2026-11-24T09:00:00+00:00",
    "device.identity",
    Words("This computer's certificate ended.", "端末証明書の有効期限が切れました。"),
    Words("Call the help desk now.", "すぐにヘルプデスクに連絡してください。"),
    "it",
)
RESTART = replace(CERTIFICATE, when="notice", at=None, code="device.updates", who="you")
OLD = replace(CERTIFICATE, when="notice", at="2026-12-01T00:00:00+00:00", code="device.updates")
LATER = replace(OLD, when="later")
WIFI = replace(CERTIFICATE, when="now", at=None, code="wifi.trust")
READY = Readiness("2026-11-23T08:12:31+00:00", 7, True, (RESTART, OLD), None)
LOST = Reason(
    "look.lost", "problem", Words("It could not look.", "検査不能。"), Words("Restart.", "再起動。"), "laptop"
)
HOME = Network(1, "Home", "home-net", "wpa3", "2026-11-03T10:00:00+00:00")
CLINIC = Network(None, "Clinic", "clinic", "wpa2", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a socket."""
    return tmp_path / "control"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock on the wall be Greenwich's, here and in the command."""
    monkeypatch.setenv("TZ", "UTC")


def test_a_ready_computer_is_told_what_is_good_to_know(path: Path) -> None:
    with StandIn(path, says(READY)) as daemon:
        done = run(path, "ready")
    assert (done.returncode, done.stderr, daemon.asked) == (0, "", [AskReady()])
    assert done.stdout.splitlines() == [
        "Nothing was seen at 2026-11-23 08:12 that will refuse this computer within 24 hours (policy serial 7).",
        "[i] device.updates: good to know",
        "    This computer's certificate ended.",
        "    What to do: Call the help desk now.",
        "    Who acts: you",
        "[i] device.updates: will be a warning from 2026-12-01 00:00",
        "    This computer's certificate ended.",
        "    What to do: Call the help desk now.",
        "    Who acts: the hospital's IT department",
    ]


def test_what_refuses_now_or_soon_exits_with_3_and_tells_from_when(path: Path) -> None:
    with StandIn(path, says(replace(READY, ready=False, coming=(WIFI, CERTIFICATE, LATER)))):
        done = run(path, "ready")
    assert done.returncode == 3
    assert "[x] wifi.trust: refuses now" in done.stdout
    assert "[!] device.identity: will refuse from 2026-11-24 09:00" in done.stdout
    assert "[!] device.updates: will refuse from 2026-12-01 00:00" in done.stdout


def test_readiness_is_told_in_japanese_and_as_json(path: Path) -> None:
    told = replace(READY, ready=False, coming=(CERTIFICATE,))
    with StandIn(path, says(told), says(told)):
        spoken, written = run(path, "ready", language="ja_JP.UTF-8"), run(path, "ready", "--json")
    assert "[!] device.identity: 2026-11-24 09:00以降は接続を拒否" in spoken.stdout
    assert "    対処: すぐにヘルプデスクに連絡してください。" in spoken.stdout
    assert (json.loads(written.stdout), written.returncode) == (json.loads(encode(told)), 3)


def test_nobody_who_could_look_makes_nobody_ready(path: Path) -> None:
    with StandIn(path, says(replace(READY, ready=False, coming=(), problem=LOST))):
        done = run(path, "ready")
    assert done.returncode == 3
    assert "- It could not look." in done.stdout


@pytest.mark.parametrize("word", ["secure", "compliant", "trusted", "safe", "安全"])
def test_readiness_never_claims_more_than_was_seen(word: str) -> None:
    told = [*foresight.lines(READY, "en"), *foresight.lines(READY, "ja")]
    assert word not in " ".join(told)


WORDS = st.builds(Words, st.text(), st.text())
COMING = st.builds(
    Coming,
    st.sampled_from(["now", "soon", "later", "notice"]),
    st.none() | st.text(),
    st.text(),
    WORDS,
    WORDS,
    st.text(),
)
NETWORKS = st.builds(
    Network, st.none() | st.integers(), st.text(), st.text(), st.sampled_from(["wpa2", "wpa3"]), st.none()
)


@given(st.lists(COMING, max_size=3), st.sampled_from(["en", "ja"]))
def test_no_control_character_of_readiness_reaches_the_screen(coming: list[Coming], language: str) -> None:
    try:
        lines = list(foresight.lines(replace(READY, coming=tuple(coming)), "ja" if language == "ja" else "en"))
    except ControlError:  # a time that no calendar holds
        return
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (("list",), AskNetworks()),
        (("add",), AddNetwork(None)),
        (("add", "--title", "Home"), AddNetwork("Home")),
        (("remove", "2"), RemoveNetwork("2")),
    ],
)
def test_each_network_command_asks_its_own_request(path: Path, words: tuple[str, ...], request_: Request) -> None:
    with StandIn(path, says(Networks((), 3))) as daemon:
        assert run(path, "network", *words).returncode == 0
    assert daemon.asked == [request_]


def test_registered_networks_are_listed_with_what_must_protect_them(path: Path) -> None:
    with StandIn(path, says(Networks((CLINIC, HOME), 3))):
        done = run(path, "network", "list")
    assert done.stdout.splitlines() == [
        "Registered Wi-Fi networks (1 of at most 3):",
        "   -  'Clinic' (name: clinic), at least WPA2, by the hospital's policy",
        "   1  'Home' (name: home-net), at least WPA3, since 2026-11-03",
        "To register the Wi-Fi in use: sekisho network add",
    ]


def test_a_change_is_told_with_the_way_back(path: Path) -> None:
    forgotten = replace(HOME, number=None, title="Hanako's home")
    with StandIn(path, says(Networks((HOME,), 3, added=HOME)), says(Networks((), 3, removed=forgotten))):
        added, removed = run(path, "network", "add"), run(path, "network", "remove", "1", language="ja_JP.UTF-8")
    assert added.stdout.splitlines() == [
        "Registered: 'Home'. It counts as yours while it is protected by WPA3 or better.",
        "To undo: sekisho network remove 1",
    ]
    assert removed.stdout.splitlines() == [
        "「Hanako's home」の登録を削除しました。",
        "元に戻すには、そのWi-Fiに接続して実行: sekisho network add --title 'Hanako'\"'\"'s home'",
    ]


def test_a_policy_that_lets_nobody_register_is_told_in_the_list() -> None:
    assert list(own_networks.lines(Networks((), 0), "en")) == ["The hospital's policy lets nobody register a Wi-Fi."]


@pytest.mark.parametrize(
    ("code", "expected"), [("registration.open", 3), ("registration.off", 5), ("registration.unknown", 2)]
)
def test_a_registration_that_is_refused_has_its_exit_code(path: Path, code: str, expected: int) -> None:
    with StandIn(path, says(Refused("problem", (reason(problem(code)),)))):
        done = run(path, "network", "add")
    assert done.returncode == expected
    assert done.stderr.startswith("That could not be done.\n- ")


def test_every_refusal_of_a_registration_has_an_exit_code() -> None:
    codes = {code for code in CATALOGUE if code.startswith("registration.")}
    assert codes - {"registration.unkept"} == {code for code in CODES if code.startswith("registration.")}


@given(st.lists(NETWORKS, max_size=3).map(tuple), st.none() | NETWORKS, st.none() | NETWORKS)
def test_no_control_character_of_a_network_reaches_the_screen(networks, added, removed) -> None:

    for language in ("en", "ja"):
        for line in own_networks.lines(Networks(networks, 3, added, removed), language):
            assert line.isprintable()
