"""A doctor in an emergency: the command says what it means, opens what the policy grants, and tells how long."""

import pytest

from tests.e2e.visit import Visit
from tests.lab.unapproved import Unapproved

pytestmark = pytest.mark.lab
EMERGENCY = """\
emergency:
  reasons: {patient: {en: A patient is in danger, ja: 患者に危険が迫っている}}
  overridable: [apps.unapproved]
  networks: 10.50.0.0/28
  minutes: 30
"""
REFUSED = 3


def test_a_refused_doctor_reads_of_the_emergency_and_opens_it(visit: Visit) -> None:
    visit.start(visit.scene.policy + EMERGENCY)
    with Unapproved.start(visit.scene.laptop):
        refused = visit.sekisho("connect")
        assert refused.code == REFUSED
        assert "'sekisho emergency' tells how" in refused.errors
        asked = visit.sekisho("emergency", "--language", "ja")
        assert asked.code == 2
        assert "  patient: 患者に危険が迫っている" in asked.errors
        assert visit.sekisho("emergency", "--reason", "boredom").code == 2
        opened = visit.sekisho("emergency", "--reason", "patient", seconds=90)
        assert opened.code == 0, opened
        assert "reaches only 10.50.0.0/28, and ends by itself after 30 minutes." in opened.output
        assert "Connected to hospital for an emergency in " in opened.output
        status = visit.sekisho("status")
        assert status.code == 0
        assert "connected for an emergency (hospital), ends by itself in 29 minutes" in status.output
        assert visit.sekisho("disconnect").code == 0
    visit.is_as_before()


def test_where_the_policy_knows_no_emergency_none_is_opened(running: Visit) -> None:
    answer = running.sekisho("emergency", "--reason", "patient")
    assert answer.code == 5
    assert "[emergency.off: problem]" in answer.errors
