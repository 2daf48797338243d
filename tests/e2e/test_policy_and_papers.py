"""Policy, key, certificate and asker are not as they must be: one sentence each, and nothing is set up."""

import pytest

from tests.e2e.visit import Visit, read_reasons
from tests.lab.run import try_command

pytestmark = pytest.mark.lab
ANOTHER_USER = 65_533


def test_no_policy(visit: Visit) -> None:
    visit.endpoint.policy.unlink()
    visit.start()
    told = visit.refused("policy.missing")
    assert told.who == "policy"
    printed = visit.sekisho("connect").errors
    assert all(words in printed for words in (told.seen, told.remedy, "the hospital's policy", "policy.missing"))
    assert visit.sekisho("disconnect").code == 0


def test_a_policy_with_errors_tells_each_with_its_place_in_the_log(visit: Visit) -> None:
    visit.start(visit.scene.policy.replace("serial: 1", "serial: one\nserail: 2").replace("networks: ", "networks: x"))
    assert visit.refused("policy.invalid").who == "policy"
    log = visit.endpoint.daemons[-1].log.read_text()
    assert f"{visit.endpoint.policy}:1:" in log
    assert f"{visit.endpoint.policy}:2:" in log
    assert "serial" in log
    assert log.count("policy:") >= 3


def test_a_policy_that_is_no_file(visit: Visit) -> None:
    visit.endpoint.policy.unlink()
    visit.endpoint.policy.mkdir()
    visit.start()
    assert visit.refused("policy.invalid").who == "policy"


def test_a_policy_that_is_too_large(visit: Visit) -> None:
    visit.start(visit.scene.policy + "# " + "x" * (1 << 20) + "\n")
    assert visit.refused("policy.invalid").who == "policy"


def test_a_policy_that_is_no_text(visit: Visit) -> None:
    visit.endpoint.policy.write_bytes(b"\xff\xfe\x00serial")
    visit.start()
    assert visit.refused("policy.invalid").who == "policy"


def test_a_network_that_cannot_be_carried_is_refused_and_not_left_out(visit: Visit) -> None:
    visit.start(visit.scene.policy.replace("networks: 10.50.0.0/24", "networks: [10.50.0.0/24, '2001:db8::/32']"))
    assert visit.refused("policy.invalid").who == "policy"


@pytest.mark.parametrize("kind", ["missing", "garbage", "foreign", "readable by others"])
def test_a_key_that_cannot_be_used(visit: Visit, kind: str) -> None:
    key = visit.endpoint.folder / "device.key"
    match kind:
        case "garbage":
            key.touch(mode=0o600)
            key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        case "foreign":
            key.touch(mode=0o600)
            key.write_bytes(visit.scene.papers.gateway.key_pem)
        case "readable by others":
            key.touch(mode=0o644)
            key.write_bytes(visit.scene.papers.device.key_pem)
    visit.start(visit.scene.policy.replace(str(visit.scene.files.key), str(key)))
    assert visit.refused("key.unreadable").who == "laptop"
    assert "WARNING agent.daemon.checkpoint: key.unreadable: " in visit.endpoint.daemons[-1].log.read_text()


def test_a_certificate_that_is_missing(visit: Visit) -> None:
    visit.start(visit.scene.policy.replace(str(visit.scene.files.certificate), "/nowhere/device.pem"))
    assert visit.refused("key.unreadable").who == "laptop"


def test_trust_anchors_that_are_missing(visit: Visit) -> None:
    visit.start(visit.scene.policy.replace(str(visit.scene.files.anchors), "/nowhere/ca.pem"))
    assert visit.refused("anchors.unreadable").who == "policy"


def test_another_user_of_the_computer_is_sent_away(running: Visit) -> None:
    running.connect()
    for word in ("status", "why", "watch", "connect", "disconnect"):
        argv = ("/usr/bin/setpriv", f"--reuid={ANOTHER_USER}", f"--regid={ANOTHER_USER}", "--clear-groups", "--")
        asked = try_command((*argv, running.endpoint.command, word, "--json"), enter=running.scene.laptop.enter)
        assert asked.returncode == 5, asked
        assert b"control.refused" in asked.stdout
    assert running.state() == "open"


def test_root_may_ask(running: Visit) -> None:
    asked = try_command((running.endpoint.command, "status", "--json"), enter=running.scene.laptop.enter)
    assert asked.returncode == 7


def test_without_a_look_helper_nothing_is_opened(visit: Visit) -> None:
    visit.endpoint.start_daemon()
    assert visit.refused("look.lost").who == "laptop"
    assert [told.code for told in read_reasons(visit.endpoint.status())] == ["look.lost"]
