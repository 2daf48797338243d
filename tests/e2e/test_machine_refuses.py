"""The laptop's own system refuses a part: connecting fails with one sentence, and nothing is half set up."""

import pytest

from tests.e2e.visit import Visit

pytestmark = pytest.mark.lab


def test_no_tunnel_device(visit: Visit) -> None:
    visit.start(within=without("mount -t tmpfs nothing /dev/net"))
    assert visit.refused("tun.refused").who == "laptop"


def test_a_tunnel_device_that_makes_no_interface(visit: Visit) -> None:
    visit.start(within=without("mount --bind /dev/null /dev/net/tun"))
    assert visit.refused("tun.refused").who == "laptop"


def test_no_right_to_make_interfaces(visit: Visit) -> None:
    visit.start(within=("/usr/bin/setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"))
    assert visit.refused("tun.refused").who == "laptop"


@pytest.mark.parametrize(
    ("occupied", "freed"),
    [
        ("rule add priority 5001 to 10.99.0.0/24 lookup main", "rule del priority 5001"),
        ("route add 10.99.0.0/24 via 192.168.77.1 table 94", "route flush table 94"),
    ],
)
def test_our_places_among_the_routes_are_taken_by_another_program(visit: Visit, occupied: str, freed: str) -> None:
    town = visit.scene.town
    town.laptop.ip(occupied)
    try:
        taken = Visit.prepare(visit.scene, f"{visit.endpoint.folder.name}-taken").start()
        assert taken.refused("network.refused").who == "laptop"
        taken.end()
    finally:
        town.laptop.ip(freed)


def test_a_resolver_file_that_cannot_be_replaced(visit: Visit) -> None:
    visit.start(within=without("mount --bind /etc/resolv.conf /etc/resolv.conf"))
    assert visit.refused("network.refused").who == "laptop"


def test_a_journal_that_cannot_be_written(visit: Visit) -> None:
    visit.endpoint.state.mkdir(mode=0o700)
    (visit.endpoint.state / "network-key").touch(mode=0o600)
    (visit.endpoint.state / "network-key").write_bytes(bytes(32))
    read_only = f"mount --bind -o ro {visit.endpoint.state} {visit.endpoint.state}"
    visit.start(within=without(read_only))
    assert visit.refused("network.refused").who == "laptop"


def without(mount: str) -> tuple[str, ...]:
    """Start what follows in a mount namespace of its own, in which something was covered first."""
    unshare = ("/usr/bin/unshare", "--mount", "--propagation", "private", "--")
    return (*unshare, "/bin/sh", "-c", f'{mount} && exec "$@"', "sh")
