"""Knows which Wi-Fi people may register as their own, and that one sentence says why not."""

import asyncio
import json
from pathlib import Path

import pytest

from agent import gate
from agent.control.messages import AddNetwork, AskNetworks, Networks, Refused, RemoveNetwork, Reply, Request
from agent.daemon.desk import Desk
from agent.daemon.registering import LONGEST_TITLE, forget, listed, register
from agent.daemon.registrations import Registration, Registrations
from agent.posture.checks.wifi import Strength
from agent.posture.facts import Grade, Links, Observed, Security, Unseen, Wireless
from agent.posture.policy import load
from agent.posture.policy.wifi import Wifi
from agent.problems import Problem
from tests.test_checkpoint import Stage, play
from tests.test_daemon_small import POLICY

HOME = Wireless("wlan0", "自宅".encode(), "02:00:00:00:00:01", Security.WPA2_PSK)
ONLY_REGISTERED = "wifi: {protected: refuse}\n"


def wifi(more: str = "") -> Wifi:
    return load(POLICY + more, "policy.yaml").wifi


def seen(*wireless: Wireless) -> Observed[Links]:
    return Observed(Links(wireless), Grade.ROOT, "bus", 1.0)


def joined(ssid: bytes = b"home", security: Security = Security.WPA2_PSK, negotiated: Security | None = None):
    return seen(Wireless("wlan0", ssid, "02:00:00:00:00:01", security, negotiated=negotiated))


def add(kept: Registrations, links: Observed[Links] | Unseen, title: str | None = None, more: str = "") -> str | None:
    """Register, and give the code of the problem if there is one."""
    told = register(wifi(more), kept, links, title, 1000, 1.8e9)
    return told.code if isinstance(told, Problem) else None


@pytest.mark.parametrize(
    ("security", "negotiated", "least"),
    [
        (Security.WPA2_PSK, None, Strength.WPA2),
        (Security.WPA2_WPA3_MIXED, None, Strength.WPA2),
        (Security.WPA2_WPA3_MIXED, Security.SAE, Strength.WPA2),
        (Security.SAE, Security.SAE, Strength.WPA3),
        (Security.ENTERPRISE, None, Strength.WPA2),
    ],
)
def test_a_network_must_stay_as_well_protected_as_it_was(security: Security, negotiated, least: Strength):
    kept = Registrations()
    assert add(kept, joined(security=security, negotiated=negotiated)) is None
    assert kept.all == (Registration(b"home", "home", least, 1000, 1.8e9),)


@pytest.mark.parametrize(
    ("links", "code"),
    [
        (Unseen("no bus", 1.0), "registration.unseen"),
        (seen(), "registration.no_wifi"),
        (seen(HOME, HOME), "registration.several"),
        (joined(b""), "registration.nameless"),
        (joined(b"\0\0\0"), "registration.nameless"),
        (joined(security=Security.UNKNOWN), "registration.unseen"),
        (joined(security=Security.OPEN), "registration.open"),
        (joined(security=Security.OWE), "registration.open"),
        (joined(security=Security.WEP), "registration.weak"),
        (joined(security=Security.WPA_TKIP), "registration.weak"),
        (joined(security=Security.SAE, negotiated=Security.OPEN), "registration.open"),
        (joined(security=Security.SAE, negotiated=Security.WPA_TKIP), "registration.weak"),
    ],
)
def test_what_may_not_be_registered_says_why_and_registers_nothing(links: Observed[Links] | Unseen, code: str):
    kept = Registrations()
    assert add(kept, links) == code
    assert kept.all == ()


def test_the_policy_says_how_many_and_whether_any():
    kept = Registrations()
    assert add(kept, joined(), more="wifi: {registrations: 0}\n") == "registration.off"
    for number in range(3):
        assert add(kept, joined(b"%d" % number)) is None
    assert add(kept, joined(b"one more")) == "registration.full"
    assert add(kept, joined(b"0")) == "registration.known"


def test_what_the_policy_lists_needs_no_registration():
    assert add(Registrations(), joined(b"clinic"), more="wifi: {own: [{ssid: clinic, title: Clinic}]}\n") == (
        "registration.known"
    )


@pytest.mark.parametrize("title", ["", "   ", "x" * (LONGEST_TITLE + 1)])
def test_a_title_is_neither_empty_nor_endless(title: str):
    assert add(Registrations(), joined(), title) == "registration.title"


@pytest.mark.parametrize("name", [b"\xff\x1b" * 16, "𠮷".encode() * 8, "\u202e".encode() * 10])
def test_any_name_is_kept_as_it_is_and_shown_without_harm(name: bytes, tmp_path: Path):
    kept = Registrations(tmp_path / "networks")
    assert add(kept, joined(name)) is None
    assert Registrations(tmp_path / "networks").all[0].ssid == name
    (told,) = listed(wifi(), kept).networks
    assert told.ssid.isprintable()
    assert told.title.isprintable()
    assert len(told.title) <= LONGEST_TITLE


def test_a_number_counts_before_a_title_and_a_title_before_a_name():
    kept = Registrations()
    for name, title in ((b"one", "two"), (b"two", "1"), (b"three", "same"), (b"four", "same")):
        kept.add(Registration(name, title, Strength.WPA2, 1000, 1.8e9))
    assert problem_of(forget(kept, "same")) == "registration.unclear"
    assert problem_of(forget(kept, "nobody's")) == "registration.unknown"
    assert problem_of(forget(kept, "0")) == "registration.unknown"
    for which, left in (
        ("1", [b"two", b"three", b"four"]),
        ("two", [b"three", b"four"]),
        ("three", [b"four"]),
        ("same", []),
    ):
        assert problem_of(forget(kept, which)) is None
        assert [one.ssid for one in kept.all] == left


def problem_of(told: Registration | Problem) -> str | None:
    return told.code if isinstance(told, Problem) else None


def test_what_cannot_be_kept_changes_nothing(tmp_path: Path):
    kept = Registrations(tmp_path / "missing" / "networks")
    assert add(kept, joined()) == "registration.unkept"
    assert listed(wifi(), kept).networks == ()


def test_a_list_tells_the_policys_own_first_and_numbers_what_people_registered():
    more = "wifi: {own: [{ssid: clinic, title: Clinic, at_least: wpa3}]}\n"
    kept = Registrations()
    add(kept, joined(), "Home", more)
    told = listed(wifi(more), kept)
    assert [(one.number, one.title, one.ssid, one.at_least, one.since) for one in told.networks] == [
        (None, "Clinic", "clinic", "wpa3", None),
        (1, "Home", "home", "wpa2", "2027-01-15T08:00:00+00:00"),
    ]
    assert (told.most, told.added, told.removed) == (3, None, None)


async def ask(stage: Stage, request: Request) -> Reply:
    desk = Desk()
    desk.open_for(stage.checkpoint)
    (reply,) = [reply async for reply in desk.answer(request, 1000)]
    return reply


def test_a_registration_is_recorded_by_a_pseudonym_and_lets_the_network_be_used(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.wireless = (HOME,)
        stage.ask()
        await stage.reach(gate.Refused)
        assert stage.codes() == ["wifi.trust"]
        added = await ask(stage, AddNetwork("Home"))
        assert isinstance(added, Networks)
        assert added.added is not None
        assert (added.added.number, added.added.title) == (1, "Home")
        await stage.open()
        assert await ask(stage, AskNetworks()) == Networks(added.networks, 3)
        removed = await ask(stage, RemoveNetwork("1"))
        assert isinstance(removed, Networks)
        assert (removed.networks, removed.removed is not None) == ((), True)
        await stage.reach(gate.Refused)  # what is open is judged at once

    play(tmp_path, scene, ONLY_REGISTERED)
    lines = (tmp_path / "events.jsonl").read_text()
    assert "自宅" not in lines
    assert "Home" not in lines
    told = [one for one in map(json.loads, lines.splitlines()) if str(one["event"]).startswith("network-")]
    assert [one["event"] for one in told] == ["network-registered", "network-forgotten"]
    assert told[0]["network"] == told[1]["network"]
    assert (told[0]["at_least"], told[0]["user"]) == ("wpa2", 1000)


def test_a_refused_registration_is_a_refusal_like_any_other(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.wireless = (Wireless("wlan0", b"cafe", "02:00:00:00:00:01", Security.OPEN),)
        for request, code in ((AddNetwork(), "registration.open"), (RemoveNetwork("x"), "registration.unknown")):
            told = await ask(stage, request)
            assert isinstance(told, Refused)
            assert [reason.code for reason in told.reasons] == [code]

    play(tmp_path, scene)


def test_without_a_policy_nothing_is_registered():
    async def scene() -> list[Reply]:
        desk = Desk()
        return [reply for request in (AddNetwork(), AskNetworks()) async for reply in desk.answer(request, 0)]

    assert [isinstance(reply, Refused) for reply in asyncio.run(scene())] == [True, True]
