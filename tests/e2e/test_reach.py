"""Narrowed tunnels against the real gateway: what each state reaches, and how a laptop gets out of it again."""

import json
import socket
import sys
from collections.abc import Mapping
from typing import cast

import pytest

from agent.posture.policy.signing import signature_of
from ike.crypto.detached import SigningKey
from tests.e2e.visit import Json, Visit
from tests.lab.capture import Capture, in_clear
from tests.lab.namespaces import DNS, HOSPITAL, PACS
from tests.lab.orthanc import FETCH
from tests.lab.run import wait_until
from tests.lab.scene import Scene
from tests.lab.unapproved import Unapproved

pytestmark = pytest.mark.lab

NEAR_PACS, NEAR_DNS, GATEWAY_NEAR_DNS = "10.50.0.0/28", "10.50.0.48/28", "10.50.0.49/32"
PORT = 8088
POLICY_URL = f"http://{DNS}:{PORT}/policy.yaml"
EMERGENCY = f"""\
emergency:
  reasons: {{patient: {{en: A patient is in danger, ja: 患者に危険が迫っている}}}}
  overridable: [apps.unapproved]
  networks: {NEAR_PACS}
"""
WRONG = "wifi: {at_least: wpa3, protected: refuse}\n"


@pytest.fixture(autouse=True)
def gateway_in_each_network(scene: Scene) -> None:
    """Give the gateway an address in the narrow network: libipsec installs no route where it has none."""
    scene.town.gateway.ip(f"addr replace {GATEWAY_NEAR_DNS} dev lan")


def granting(visit: Visit, site: str, rest: str = "") -> str:
    """Write the hospital's policy with more for its site, and more of its own."""
    return visit.scene.policy.replace("\napps:", f"\n    {site}\napps:", 1) + rest


def ask_as_root(visit: Visit, request: Mapping[str, object]) -> Json:
    """Ask over the control socket and give the last reply."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(60)
        asked.connect(str(visit.scene.laptop.file(visit.endpoint.control)))
        asked.sendall(json.dumps(request).encode() + b"\n")
        with asked.makefile("rb") as replies:
            return cast(Json, [json.loads(line) for line in replies][-1])


def is_refused_for(visit: Visit, code: str) -> None:
    answer = visit.sekisho("connect", "--json")
    assert answer.code == 3, answer
    assert [reason["code"] for reason in cast(list[Json], answer.lines[-1]["reasons"])] == [code]


def wait_for_tunnel(visit: Visit, state: str) -> Json:
    """Wait until a state carries packets, and give the tunnel as it is told."""
    wait_until(lambda: visit.endpoint.status()["tunnel"] is not None, f"a tunnel for {state}", 30)
    told = visit.endpoint.status()
    assert told["state"] == state
    return cast(Json, told["tunnel"])


def test_in_service_only_what_heals_is_reached_and_the_gateway_grants_no_more(visit: Visit) -> None:
    laptop, router = visit.scene.town.laptop, visit.scene.town.router
    capture = Capture.start(visit.scene.run, router)
    visit.scene.town.send_clear_probe()
    visit.start(granting(visit, f"service: {{networks: {NEAR_DNS}}}", WRONG))
    is_refused_for(visit, "wifi.trust")
    assert wait_for_tunnel(visit, "service")["networks"] == [NEAR_DNS]
    assert laptop.pings(DNS, 10)
    granted = visit.scene.gateway.sas()
    assert NEAR_DNS in granted
    assert HOSPITAL not in granted
    assert len(in_clear(capture.stop())) == 1, "the deliberate probe, and nothing else"
    assert not laptop.pings(PACS)
    assert visit.endpoint.status()["ends_in"] is not None
    assert visit.sekisho("disconnect").code == 0
    visit.is_as_before()
    assert visit.state() == "idle"


def test_a_cured_laptop_is_let_in_fully_out_of_service(visit: Visit) -> None:
    visit.start(granting(visit, f"service: {{networks: {NEAR_DNS}}}"))
    path = Unapproved.install(visit.scene.laptop)
    stranger = visit.scene.laptop.start_as_doctor("stranger", (path, "3600"))
    is_refused_for(visit, "apps.unapproved")
    wait_for_tunnel(visit, "service")
    is_refused_for(visit, "apps.unapproved")
    stranger.stop()
    visit.connect()
    assert wait_for_tunnel(visit, "open")["networks"] == [HOSPITAL]


def test_a_bad_policy_is_healed_over_the_service_path_without_a_visit(visit: Visit) -> None:
    key = SigningKey.of(bytes(range(32)))
    keys, served = visit.endpoint.folder / "keys", visit.endpoint.folder / "served"
    for folder in (keys, served):
        folder.mkdir(mode=0o755)
    (keys / "it.pem").write_bytes(key.public.pem)
    bad = granting(visit, f"service: {{networks: {NEAR_DNS}, policy_url: '{POLICY_URL}'}}", WRONG).encode()
    better = b"serial: 2\nwifi: {at_least: wpa2, protected: allow}\n"
    for policy, text in ((visit.endpoint.policy, bad), (served / "policy.yaml", better)):
        policy.write_bytes(text)
        policy.with_name("policy.yaml.sig").write_bytes(signature_of(text, key))
    serve = (sys.executable, "-m", "http.server", str(PORT), "--bind", DNS, "--directory", str(served))
    pacs = visit.scene.town.pacs
    server = visit.scene.run.start("policy-server", serve, enter=pacs.enter)
    server.wait_ready(lambda: pacs.attempt(*FETCH, "get", POLICY_URL).returncode == 0, 20)
    visit.endpoint.start_look()
    visit.endpoint.start_daemon("--policy-keys", str(keys))
    is_refused_for(visit, "wifi.trust")
    visit.endpoint.wait_for_state("open", 30)
    assert visit.endpoint.status()["policy_serial"] == 2
    assert visit.scene.town.laptop.pings(PACS, 10)
    server.stop()


def test_an_emergency_reaches_its_own_networks_only_and_something_worse_ends_it(visit: Visit) -> None:
    visit.start(granting(visit, "comes_back: 0", EMERGENCY))
    path = Unapproved.install(visit.scene.laptop)
    stranger = visit.scene.laptop.start_as_doctor("stranger", (path, "3600"))
    is_refused_for(visit, "apps.unapproved")
    done = ask_as_root(visit, {"message": "emergency", "reason": "patient"})
    assert done["message"] == "done", done
    laptop = visit.scene.town.laptop
    assert wait_for_tunnel(visit, "emergency")["networks"] == [NEAR_PACS]
    assert laptop.pings(PACS, 10)
    granted = visit.scene.gateway.sas()
    assert NEAR_PACS in granted
    assert HOSPITAL not in granted
    assert not laptop.pings(DNS)
    visit.scene.wifi.switch_to(visit.scene.wifi.open_network("StationFree"))
    visit.endpoint.wait_for_state("refused", 20)
    assert [told.code for told in visit.why()] == ["wifi.trust"]
    visit.is_as_before()
    stranger.stop()
    names = [event["event"] for event in visit.endpoint.events()]
    assert [name for name in names if str(name).startswith("emergency")] == ["emergency-opened", "emergency-closed"]


def test_what_was_cut_comes_back_by_itself_once_the_wifi_is_protected_again(visit: Visit) -> None:
    visit.start(granting(visit, "comes_back: 5m")).connect()
    visit.scene.wifi.switch_to(visit.scene.wifi.open_network("StationFree"))
    visit.endpoint.wait_for_state("refused", 20)
    assert visit.endpoint.status()["comes_back_in"] is not None
    visit.is_as_before()
    visit.scene.wifi.switch_to(visit.scene.home)
    visit.endpoint.wait_for_state("open", 30)
    assert visit.scene.town.laptop.pings(PACS, 10)
