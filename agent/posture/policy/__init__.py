"""The hospital's policy: its text, its sections, and what it makes of facts. It reads no file."""

from agent.posture.policy.judging import (
    Context,
    hashes_all,
    judge,
    judged_uids,
    looks_at_programs,
    oldest_lists,
    rests_on,
)
from agent.posture.policy.layers import Source
from agent.posture.policy.loading import Layered, PolicyError, PolicyErrors, load, load_layers, schema
from agent.posture.policy.model import Policy
from agent.posture.policy.sites import Gateway, Site

__all__ = [
    "Context",
    "Gateway",
    "Layered",
    "Policy",
    "PolicyError",
    "PolicyErrors",
    "Site",
    "Source",
    "hashes_all",
    "judge",
    "judged_uids",
    "load",
    "load_layers",
    "looks_at_programs",
    "oldest_lists",
    "rests_on",
    "schema",
]
