"""What the daemon is told on its command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.daemon.policy_file import Places


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie on this machine."""

    policy: Path
    vendor_policies: Path
    local_policies: Path
    policy_keys: Path
    control: Path
    look: Path
    state: Path
    events: Path
    resolv_conf: Path
    system_bus: str
    verbose: bool
    check: bool

    @property
    def policies(self) -> Places:
        """Where policies lie."""
        return Places(self.vendor_policies, self.policy, self.local_policies, self.policy_keys)


def parse(argv: Sequence[str] | None) -> Settings:
    """Read the command line; a wrong one ends the program with exit code 2 and a sentence."""
    parser = argparse.ArgumentParser(
        prog="sekishod",
        description="Sekisho's service: checks this computer and carries the tunnel to the hospital. "
        "Ask it with 'sekisho'.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for flag, place, meaning in PLACES:
        parser.add_argument(flag, type=Path, default=Path(place), metavar="PATH", help=meaning)
    parser.add_argument("--system-bus", default=SYSTEM_BUS, metavar="ADDRESS", help="D-Bus address of the system bus")
    parser.add_argument("--verbose", action="store_true", help="log names, addresses and each step of a negotiation")
    parser.add_argument(
        "--check", action="store_true", help="only read the policy of this computer, print every error in it, and end"
    )
    return Settings(**vars(parser.parse_args(argv)))


PLACES = (
    ("--policy", "/etc/sekisho/policy.yaml", "the policy"),
    ("--vendor-policies", "/usr/lib/sekisho/policy.d", "folder of policies (*.yaml) that lie below it"),
    ("--local-policies", "/etc/sekisho/policy.d", "folder of policies (*.yaml) that lie over it"),
    ("--policy-keys", "/etc/sekisho/policy-keys", "folder of keys (*.pem); with any, one must have signed each policy"),
    ("--control", "/run/sekisho/control", "socket on which 'sekisho' asks"),
    ("--look", "/run/sekisho/look", "socket of 'sekisho-look'"),
    ("--state", "/var/lib/sekisho", "folder for the undo journal and this device's own key"),
    ("--events", "/var/log/sekisho/events.jsonl", "file to which events are appended"),
    ("--resolv-conf", "/etc/resolv.conf", "the resolver's file"),
)
SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
