"""The policy's file: read when the daemon starts, or only checked for whoever wrote it.

What the policy says is `agent.posture.policy`'s; here it is only found, trusted and told.
"""

import logging
import sys
from hashlib import sha256
from pathlib import Path

from agent import events
from agent.daemon.files import read_bounded, read_trusted, why_unreadable
from agent.daemon.records import Records
from agent.posture.policy import Policy, PolicyErrors, load
from agent.problems import Problem, problem

log = logging.getLogger(__name__)


def read_policy(path: Path, records: Records) -> Policy | Problem:
    """Read the policy, or tell in the log all that is wrong with it and in one problem what to do."""
    try:
        text = read_trusted(path, LARGEST_POLICY)
    except FileNotFoundError:
        log.error("there is no policy at %s", path)
        return problem("policy.missing", str(path))
    except (OSError, ValueError) as error:
        log.error("the policy cannot be read: %s", why_unreadable(error))
        return problem("policy.invalid", why_unreadable(error))
    digest = sha256(text).hexdigest()
    try:
        policy = load(text, str(path))
    except PolicyErrors as wrong:
        for one in wrong.errors:
            log.error("policy: %s", one)
        records.append(events.PolicyRefused(digest, len(wrong.errors)))
        return problem("policy.invalid", str(wrong.errors[0]))
    records.append(events.PolicyAccepted(policy.serial, digest))
    return policy


def check_policy(path: Path) -> int:
    """Print all that is wrong with a policy, one error a line, and return 1; or say that nothing is, and return 0."""
    try:
        policy = load(read_bounded(path, LARGEST_POLICY), str(path))
    except PolicyErrors as wrong:
        print(wrong, file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"The policy cannot be read: {why_unreadable(error)}.", file=sys.stderr)
        return 1
    print(f"{path}: no errors; serial {policy.serial}, sites: {', '.join(policy.sites)}")
    return 0


# Our choices, in bytes.
LARGEST_POLICY = 1 << 20
