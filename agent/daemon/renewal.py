"""Gets a newer policy while a refused machine may reach it; what is good is decided by whoever accepts it."""

import logging
from collections.abc import Callable

from agent.daemon.fetching import Fetched, fetch_policy
from agent.posture.policy import Policy
from agent.problems import Problem, Trouble

log = logging.getLogger(__name__)

Accept = Callable[[bytes, bytes | None, str], Policy | Problem]
"""Given a policy that came from a server, its signature and its address, make it the one in force or say why not."""


class Renewal:
    """Remembers what came last, so that the same answer is not judged and recorded each minute."""

    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._last: Fetched | None = None

    async def newer(self, url: str, interface: str) -> Policy | None:
        """Fetch and accept; None where nothing new came, or nothing good, which the log tells."""
        try:
            fetched = await fetch_policy(url, interface)
        except Trouble as trouble:
            log.warning("%s", trouble)
            return None
        if fetched == self._last:
            return None
        policy = self._accept(fetched.policy, fetched.signature, url)
        self._last = None if isinstance(policy, Problem) and policy.code in CURABLE else fetched
        if isinstance(policy, Problem):
            log.warning("%s: %s", policy.code, policy.detail)
            return None
        return policy

    def forget(self) -> None:
        """Judge whatever comes next anew."""
        self._last = None


# Fixed by `agent.daemon.policies`: what the next minute may cure, for this computer's clock may be set right.
CURABLE = frozenset({"policy.early"})
