"""Paths that lose, repeat, delay and damage: the sessions come together all the same."""

from statistics import quantiles

import pytest

from ike.effects import RekeyChild, RekeyIke
from tests.pair import Pair, Path, client_config, gateway_config, is_over, unhurried

SEEDS = range(50)


@pytest.mark.parametrize(("loss", "p95"), [(0.05, 1.5), (0.10, 3.0), (0.20, 8.0), (0.30, 20.0)])
def test_loss_delays_the_handshake_but_never_prevents_it(loss: float, p95: float) -> None:
    times = [connecting(seed, Path(loss=loss)) for seed in (SEEDS if loss == 0.3 else SEEDS[:20])]
    assert quantiles(times, n=20)[-1] <= p95


@pytest.mark.parametrize(
    "path",
    [
        Path(repeat=1.0),
        Path(tamper=0.3),
        Path(jitter=2.0),
        Path(loss=0.2, tamper=0.2, repeat=0.3, jitter=0.4),
        Path(delay=0.75),
    ],
    ids=["every datagram twice", "30 % damaged", "out of order", "everything at once", "round trip 1.5 s"],
)
def test_a_bad_path_never_prevents_the_handshake(path: Path) -> None:
    for seed in SEEDS[:25] if path.tamper == 0 else SEEDS:
        connecting(seed, path)


@pytest.mark.parametrize("event", [RekeyChild(), RekeyIke()], ids=["child", "ike"])
@pytest.mark.parametrize("end", ["client", "gateway"])
def test_rekeys_succeed_at_30_percent_loss(event: RekeyChild | RekeyIke, end: str) -> None:
    for seed in SEEDS[:25]:
        pair = Pair(seed=seed, client=unhurried(client_config()), gateway=unhurried(gateway_config()))
        pair.connect()
        pair.path = Path(loss=0.3, repeat=0.3, jitter=0.2)
        pair.feed(getattr(pair, end), event)
        pair.run(60)
        pair.path = Path()
        pair.run(130)
        pair.assert_one_pair()


def connecting(seed: int, path: Path) -> float:
    """Connect and give the seconds it took; the seed is in the message when it fails."""
    pair = Pair(seed=seed, path=path)
    pair.run(90, lambda: pair.client.up or is_over(pair.client))
    assert pair.client.up, f"seed {seed}: {pair.client.failure}"
    took = pair.boot - 1000
    pair.path = Path()
    pair.run(20)
    assert pair.client.sending is not None
    assert pair.client.sending in pair.gateway.installed
    return took
