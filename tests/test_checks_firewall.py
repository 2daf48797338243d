"""The firewall: what its rules do counts, and what could not be told is no pass."""

import pytest

from agent.events import Outcome
from agent.posture.checks.firewall import TurnsAway
from agent.posture.facts import Facts, Firewall, Grade, Observed, Told, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")


def judged(firewall: Firewall) -> Finding:
    return TurnsAway(HELP).judge(Facts(firewall=Observed(firewall, Grade.ROOT, "rules", 1.0)))


@pytest.mark.parametrize(
    ("turns_away", "outcome"),
    [(Told.YES, Outcome.PASS), (Told.NO, Outcome.FAIL), (Told.UNTOLD, Outcome.UNKNOWN)],
)
def test_only_a_firewall_that_was_seen_to_turn_strangers_away_passes(turns_away: Told, outcome: Outcome):
    assert judged(Firewall(turns_away, "rules nobody knows")).outcome is outcome


def test_a_firewall_that_lets_strangers_in_is_told_with_whom_to_call():
    finding = judged(Firewall(Told.NO))
    assert finding.who is Who.HELP_DESK
    assert finding.sentence == Words(
        "The firewall lets in connections that nobody here asked for. Call the help desk (1234) to have the firewall "
        "switched on. (device.firewall)",
        "ファイアウォールが、このパソコンの求めていない接続を遮断していません。ヘルプデスク(1234)に連絡して、"
        "ファイアウォールを有効にしてもらってください。(device.firewall)",
    )


def test_why_it_could_not_be_told_is_told():
    assert "rules nobody\\u001b knows" in judged(Firewall(Told.UNTOLD, "rules nobody\x1b knows")).seen.en


def test_a_failed_look_is_unknown_with_its_reason():
    finding = TurnsAway(HELP).judge(Facts(firewall=Unseen("nft gave no answer in time", 1.0)))
    assert finding.outcome is Outcome.UNKNOWN
    assert finding.seen.en == "This could not be checked: nft gave no answer in time."
