"""The doctor connects, asks, watches and disconnects; each command tells its outcome by its exit code."""

from typing import cast

import pytest

from tests.e2e.visit import Json, Visit
from tests.lab.namespaces import GATEWAY, HOSPITAL
from tests.lab.orthanc import PACS_NAME, start_resolver
from tests.lab.run import wait_until

pytestmark = pytest.mark.lab


def test_connect_status_and_disconnect_tell_what_is(running: Visit) -> None:
    assert running.sekisho("status").code == 7
    assert running.sekisho("disconnect").code == 0
    tunnel = cast(Json, running.connect()["tunnel"])
    assert tunnel["gateway"] == GATEWAY
    assert tunnel["local_identity"] == "fqdn:laptop-17.hospital.test"
    assert tunnel["remote_identity"] == "fqdn:gw.hospital.test"
    assert tunnel["ike_suite"] == "aes256gcm16-prfsha384-ecp384"
    assert tunnel["esp_suite"] == "aes256gcm16"
    assert tunnel["networks"] == [HOSPITAL]
    status = running.sekisho("status", "--json")
    assert status.code == 0
    told = status.lines[-1]
    assert (told["state"], told["site"], told["reasons"]) == ("open", "hospital", [])
    assert cast(int, cast(Json, told["tunnel"])["bytes_in"]) > 0
    assert running.sekisho("why").code == 0
    assert running.sekisho("disconnect").code == 0
    running.is_as_before()
    assert running.state() == "idle"


def test_connect_tells_each_step_and_its_time(running: Visit) -> None:
    lines = running.sekisho("connect", "--json").lines
    assert [line.get("step") for line in lines[:-1]] == ["look", "key", "tunnel", "gateway", "network"]
    elapsed = [cast(float, line["elapsed_ms"]) for line in lines]
    assert elapsed == sorted(elapsed)


def test_watch_tells_every_state_on_the_way_there_and_back(running: Visit) -> None:
    watch = running.watch()
    running.connect()
    assert running.sekisho("disconnect").code == 0
    wait_until(lambda: watch.states()[-1] == "idle" and len(watch.states()) > 1, "the last word of watch", 20)
    assert watch.states() == ["idle", "looking", "opening", "open", "closing", "idle"]
    watch.program.stop()


def test_a_second_connect_is_told_that_one_is_open_and_does_it_no_harm(running: Visit) -> None:
    running.connect()
    answer = running.sekisho("connect", "--json")
    assert answer.code == 4
    assert "busy" in answer.output
    assert running.state() == "open"


def test_a_site_that_the_policy_does_not_name_is_told(running: Visit) -> None:
    answer = running.sekisho("connect", "elsewhere", "--json")
    assert answer.code == 4
    assert "site.unknown" in answer.output


def test_the_hospitals_names_are_found_inside_and_the_hotels_resolver_comes_back(running: Visit) -> None:
    laptop = running.scene.laptop
    resolver = start_resolver(running.scene.run, running.scene.town.pacs)
    hotel = laptop.file("/etc/resolv.conf").read_bytes()
    running.connect()
    for name in (PACS_NAME, PACS_NAME.partition(".")[0]):
        assert "10.50.0.10" in laptop.command("/usr/bin/getent", "ahostsv4", name)
    assert running.sekisho("disconnect").code == 0
    assert laptop.file("/etc/resolv.conf").read_bytes() == hotel
    resolver.stop()


def test_an_approved_program_that_starts_while_connected_changes_nothing(running: Visit) -> None:
    running.connect()
    assert running.scene.laptop.doctor("/usr/bin/sleep", "0.2").returncode == 0
    assert running.scene.laptop.doctor("/bin/sh", "-c", "ls / | wc -l").returncode == 0
    assert running.state() == "open"


def test_connecting_again_and_again_leaves_nothing_behind(running: Visit) -> None:
    for _ in range(3):
        running.connect()
        assert running.sekisho("disconnect").code == 0
        running.is_as_before()
    opened = [event for event in running.endpoint.events() if event["event"] in ("opened", "closed")][-6:]
    assert [event["event"] for event in opened] == ["opened", "closed"] * 3
    assert {event["why"] for event in opened[1::2]} == {"asked"}


def test_the_daemon_that_is_told_to_stop_restores_first(visit: Visit) -> None:
    visit.start().connect()
    assert visit.endpoint.stop_daemon() == 0
    visit.is_as_before()
    assert visit.sekisho("status").code == 6
    assert visit.sekisho("connect").code == 6
