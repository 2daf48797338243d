"""The hospital's policy: its text, its sections, and what it makes of facts. It reads no file."""

from agent.posture.policy.judging import Context, hashes_all, judge, judged_uids, looks_at_programs, rests_on
from agent.posture.policy.loading import PolicyError, PolicyErrors, load, schema
from agent.posture.policy.model import Policy
from agent.posture.policy.sites import Gateway, Site

__all__ = [
    "Context",
    "Gateway",
    "Policy",
    "PolicyError",
    "PolicyErrors",
    "Site",
    "hashes_all",
    "judge",
    "judged_uids",
    "load",
    "looks_at_programs",
    "rests_on",
    "schema",
]
