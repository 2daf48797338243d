"""Which interfaces pass packets on, by the kernel's own switches."""

from pathlib import Path


class Switches:
    """The switches below `proc`, read when asked; a switch that is not there is off."""

    def __init__(self, proc: Path) -> None:
        self._conf = proc / "sys" / "net"

    def forwards(self, version: int, link: str) -> bool:
        """Tell whether packets that come in at a link may go on; raise OSError when that cannot be read."""
        if version == IPV4:
            return self._is_on("ipv4", link, "forwarding")
        return self._is_on("ipv6", "all", "forwarding") or self._is_on("ipv6", link, "force_forwarding")

    def _is_on(self, family: str, link: str, switch: str) -> bool:
        try:
            return (self._conf / family / "conf" / link / switch).read_text().strip() != "0"
        except FileNotFoundError:
            return False


# Fixed by the kernel (ip-sysctl): IPv6 has one switch for all links, and since Linux 6.17 one for each besides.
IPV4 = 4
