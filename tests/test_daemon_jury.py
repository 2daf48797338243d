"""Which facts of the laptop itself the policy needs, how fresh, and for whom they are looked at."""

from agent.daemon.jury import Jury, named_users
from agent.posture.policy import load
from agent.probes.codec import decode_scope, encode_scope
from tests.test_daemon_small import POLICY


def jury(more: str = "") -> Jury:
    return Jury(load(POLICY + more, "policy.yaml"), b"k" * 32, {"doctor": 1000}.get)


def test_a_fact_may_be_as_old_as_the_check_that_needs_it_allows():
    assert jury("checks: {device.clock: {max_age: 40s}}\n").ages["clock"] == 40.0


def test_a_fact_that_only_checks_need_that_are_off_is_not_looked_at():
    off = "checks: {device.clock: {fail: off, unknown: off}, device.boot: {fail: off}}\n"
    assert not {"clock", "boot"} & jury(off).ages.keys()
    assert "clock" in jury("checks: {device.clock: {fail: off, unknown: warn}}\n").ages


def test_programs_and_what_the_sources_see_have_no_time_of_their_own():
    assert jury().ages.keys() <= {"antimalware", "storage", "updates", "locking", "usb", "clock", "boot"}


def test_a_fact_of_the_laptop_itself_does_not_hurry_the_look_at_programs():
    assert jury("checks: {device.clock: {max_age: 5s}}\n").look_every == 60.0
    assert jury("checks: {apps.forbidden: {max_age: 20s}}\n").look_every == 10.0


def test_while_nobody_asks_only_the_policys_own_users_are_looked_at():
    assert jury().scope().uids == frozenset()
    assert jury("apps: {users: [doctor]}\n").scope().uids == {1000}


def test_programs_are_not_looked_at_when_no_check_needs_them():
    off = "{fail: off, unknown: off}"
    assert jury(f"checks: {{apps.unapproved: {off}}}\n").scope(1000).facts == {"programs"}
    scope = jury(f"checks: {{apps.unapproved: {off}, apps.forbidden: {off}}}\n").scope(1000)
    assert (scope.facts, scope.watches, scope.uids) == (frozenset(), False, {1000})
    assert decode_scope(encode_scope(scope)) == scope


def test_the_scope_names_the_antivirus_programs_that_are_looked_for():
    scope = jury().scope(1000)
    assert [scanner.unit for scanner in scope.scanners] == ["clamav-daemon.service"]
    assert decode_scope(encode_scope(scope)) == scope


def test_only_names_must_be_told_by_somebody():
    policy = load(POLICY.replace("control: ", "# ") + "control: {users: [doctor, 1001]}\n", "policy.yaml")
    assert named_users(policy) == {"doctor"}
