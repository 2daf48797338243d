"""The laptop itself in a policy: defaults, every key, and a sentence for each value that is wrong."""

import pytest

from agent.daemon.jury import Jury
from agent.posture.checks.usb import Allowed
from agent.posture.facts import Facts
from agent.posture.moment import Moment
from agent.posture.policy import Context, Policy, PolicyErrors, judge, load
from agent.posture.verdict import Response
from agent.probes.codec import Asked
from tests.test_daemon_small import POLICY

DAY = 86_400.0


def reading(more: str = "") -> Policy:
    return load(POLICY + more, "policy.yaml")


def test_a_policy_that_says_nothing_asks_for_clamav_and_usual_limits():
    policy = reading()
    assert Jury(policy, b"k" * 32).scope(1000).scanners == (
        Asked("ClamAV", "clamav-daemon.service", "/var/lib/clamav"),
    )
    assert (policy.apps.antimalware.signatures, policy.apps.antimalware.on_access) == (7 * DAY, "ignore")
    device = policy.device
    assert (device.encryption.system, device.usb.storage, device.clock.offset) == ("require", Allowed.SEALED, 5.0)
    assert (device.lock.after, device.identity.warn) == (900.0, (30 * DAY, 14 * DAY, 3 * DAY))


def test_every_key_is_read():
    policy = reading(
        "apps:\n"
        "  antimalware:\n"
        "    scanners: [{title: Other, unit: other@scan.service, database: /opt/other/db}]\n"
        "    signatures: 2d\n"
        "    on_access: require\n"
        "device:\n"
        "  encryption: {system: ignore}\n"
        "  usb: {storage: forbid}\n"
        "  clock: {offset: 1m}\n"
        "  lock: {after: 5m}\n"
        "  identity: {warn: 60d, authorities: /etc/sekisho/devices.pem}\n"
    )
    assert Jury(policy, b"k" * 32).scope(1000).scanners == (Asked("Other", "other@scan.service", "/opt/other/db"),)
    device = policy.device
    assert (device.usb.storage, device.lock.after, device.identity.warn) == (Allowed.FORBID, 300.0, (60 * DAY,))
    assert device.identity.authorities == ("/etc/sekisho/devices.pem",)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("apps: {antimalware: {scanners: []}}", "needs at least 1"),
        (
            "apps: {antimalware: {scanners: [{title: A, unit: ../x.service, database: /a}]}}",
            "a systemd service such as",
        ),
        ("apps: {antimalware: {scanners: [{title: A, unit: clamd, database: /a}]}}", "a systemd service such as"),
        ("apps: {antimalware: {signatures: 1m}}", "must be at least 3600"),
        ("device: {usb: {storage: never}}", "'never' is none of"),
        ("device: {lok: {}}", "did you mean 'lock'?"),
        ("device: {lock: {after: 5}}", "must be at least 60"),
        ("device: {identity: {warn: []}}", "needs at least 1"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(more: str, told: str):
    with pytest.raises(PolicyErrors, match=told):
        reading(more + "\n")


def test_hygiene_warns_when_it_fails_and_says_nothing_when_it_cannot_be_told():
    findings = judge(reading(), Facts(), Context(Moment(1.0, 1.8e9), b"k" * 32)).findings
    hygiene = {one.check: one for one in findings if one.check.startswith("device.") or "antimalware" in one.check}
    assert {"apps.antimalware", "device.encryption", "device.lock", "device.usb"} <= hygiene.keys()
    assert {"device.clock", "device.boot", "device.identity"} <= hygiene.keys()
    assert {one.rule for one in hygiene.values()} == {Response.OFF}
