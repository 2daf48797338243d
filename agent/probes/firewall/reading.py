"""Reads the rules that are in force in this network namespace: the kernel says whether there are any, nft which.

It runs the two programs that can tell them, by their absolute paths, and no other; it never changes a rule.
"""

import errno
import os
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired

from agent.probes.firewall.iptables import read_saved
from agent.probes.firewall.ruleset import Name, Rule, Ruleset, RulesetError, read_ruleset
from agent.probes.netlink import dump


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs that tell rules."""

    nft: Path = Path("/usr/sbin/nft")
    saves: tuple[tuple[str, Path], ...] = (
        ("ip", Path("/usr/sbin/iptables-nft-save")),
        ("ip6", Path("/usr/sbin/ip6tables-nft-save")),
    )


def read_rules(proc: Path, tools: Tools) -> Ruleset:
    """Read every rule, in a few seconds at most; raise `RulesetError` with the reason when they cannot be told."""
    beside = _has_legacy(proc)
    if not _has_tables():
        return Ruleset(beside=beside)
    ruleset = read_ruleset(_run(tools.nft, "-j", "list", "ruleset"))
    return replace(_completed(ruleset, tools), beside=beside)


def _completed(ruleset: Ruleset, tools: Tools) -> Ruleset:
    """Put in what nft cannot tell of iptables' rules; without the program for it they stay unknown."""
    lacking = ruleset.of_iptables()
    rules: dict[Name, tuple[Rule, ...]] = {}
    for family, save in tools.saves:
        if any(table[0] == family for table in lacking) and save.exists():
            saved = read_saved(_run(save).decode("utf-8", "replace"), family)
            rules |= {name: each for name, each in saved.items() if name[:2] in lacking}
    return ruleset.with_rules(rules)


def _has_tables() -> bool:
    """Ask the kernel whether any program has set rules for nftables."""
    try:
        return any(True for _ in dump(NETLINK_NETFILTER, GET_TABLE, ANY_FAMILY))
    except OSError as error:
        if error.errno in NOT_IN_KERNEL:
            return False
        raise RulesetError(f"the kernel did not tell the firewall's rules ({error.strerror})") from error


def _has_legacy(proc: Path) -> bool:
    """Tell whether rules of the older kind are in force, which nft does not see."""
    try:
        return any((proc / "net" / name).read_bytes().strip() for name in LEGACY if (proc / "net" / name).exists())
    except OSError as error:
        raise RulesetError(f"the older firewall's tables could not be read ({error.strerror})") from error


def _run(program: Path, *arguments: str) -> bytes:
    """Run a program to its end and give what it told; it is ended when it takes too long or tells too much."""
    until = time.monotonic() + LONGEST_RUN
    try:
        process = Popen((program, *arguments), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=ENVIRONMENT, cwd="/")
    except OSError as error:
        raise RulesetError(f"{program.name} could not be started ({error.strerror})") from error
    with process:
        try:
            told = _read_all(process, until)
            status = process.wait(max(0.0, until - time.monotonic()))
        except (TimeoutError, TimeoutExpired) as error:
            raise RulesetError(f"{program.name} gave no answer in time") from error
        except OverflowError as error:
            raise RulesetError(f"{program.name} told more than {LONGEST_ANSWER >> 20} MB") from error
        finally:
            process.kill()
    if status != 0:
        raise RulesetError(f"{program.name} ended with an error")
    return told


def _read_all(process: Popen[bytes], until: float) -> bytes:
    """Read to the end; raise TimeoutError or OverflowError where that is too late or too far."""
    told = bytearray()
    if process.stdout is None:
        return b""
    with process.stdout as out:
        ready = select.poll()
        ready.register(out, select.POLLIN)
        while ready.poll(max(0.0, until - time.monotonic()) * 1000):
            part = os.read(out.fileno(), PART)
            if not part:
                return bytes(told)
            told += part
            if len(told) > LONGEST_ANSWER:
                raise OverflowError
    raise TimeoutError


# Fixed by the kernel (linux/netfilter/nfnetlink.h, nf_tables.h).
NETLINK_NETFILTER = 12
GET_TABLE = 10 << 8 | 1
ANY_FAMILY = bytes(4)
NOT_IN_KERNEL = frozenset({errno.EINVAL, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP})
LEGACY = ("ip_tables_names", "ip6_tables_names")

# Our choice: where Debian puts them.
TOOLS = Tools()

# Our choices, in seconds and bytes.
ENVIRONMENT: Mapping[str, str] = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
LONGEST_RUN = 5.0
LONGEST_ANSWER = 16 << 20
PART = 1 << 16
