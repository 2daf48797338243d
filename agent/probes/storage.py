"""What keeps images from whoever takes the disk: the volumes of the system, the homes, the swap and some folders.

It judges no cipher and no password: that a volume is sealed is all that the kernel's tables show.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from agent.posture.facts import Grade, Observed, Storage, Unseen
from agent.posture.facts.device import Volume
from agent.probes.accounts import choose, read_accounts
from agent.probes.block_chain import BlockChain, Ground, untold, worst
from agent.probes.mounts import read_mounts, unescape
from agent.probes.small_files import UnreadableError, read_small


def look_at_storage(
    root: Path, proc: Path, boot: Callable[[], float], uids: frozenset[int], folders: Collection[str]
) -> Observed[Storage] | Unseen:
    """Look below `/`, `/home`, `/var/tmp`, the users' homes (told as one, `home`), the swap and some folders."""
    try:
        chain = BlockChain(root, read_mounts(proc))
    except UnreadableError as error:
        return Unseen(f"the mounted file systems could not be told: {error}", boot())
    grounds = {place: chain.below_place(place) for place in (*SYSTEM, *sorted(folders))}
    grounds["home"] = _below_homes(root, chain, uids)
    swaps = _below_swaps(proc, chain)
    if swaps:
        grounds["swap"] = worst(swaps)
    volumes = tuple(Volume(place, ground.seal, ground.chain, ground.why) for place, ground in grounds.items())
    return Observed(Storage(volumes), Grade.ROOT, METHOD, boot())


def _below_homes(root: Path, chain: BlockChain, uids: frozenset[int]) -> Ground:
    """Find what seals the homes of the users; of those without a local account, what seals `/home`."""
    try:
        accounts, complete = choose(read_accounts(root), uids)
    except UnreadableError as error:
        return untold(f"the accounts could not be read: {error}")
    homes = {account.home for account in accounts} | (set() if accounts and complete else {"/home"})
    return worst(chain.below_place(home) for home in sorted(homes))


def _below_swaps(proc: Path, chain: BlockChain) -> list[Ground]:
    """Find what seals each swap in use; none where nothing is swapped out."""
    try:
        table = read_small(proc / "swaps")
    except UnreadableError as error:
        return [untold(f"the list of swaps could not be read: {error}")]
    if table is None:
        return []  # a kernel without swap
    lines = table.decode("utf-8", "backslashreplace").split("\n")[1:]
    return [_below_swap(unescape(line.split()[0]), chain) for line in lines if line.strip()]


def _below_swap(path: str, chain: BlockChain) -> Ground:
    if path.startswith("/dev/"):
        return chain.below_source(path)
    return chain.below_place(path.removesuffix(DELETED))


# Fixed by the kernel.
DELETED = " (deleted)"

# Our choices.
SYSTEM = ("/", "/home", "/var/tmp")  # noqa: S108  # it is only looked at
METHOD = "the kernel's tables of mounts and block devices"
