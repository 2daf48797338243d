"""One scene for all e2e tests; a fresh installation of Sekisho for each, which must leave the laptop as it was."""

import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.lonely import Lonely, live
from tests.e2e.visit import Visit
from tests.lab import preflight
from tests.lab.run import Run
from tests.lab.scene import Scene

_numbers = itertools.count()


@pytest.fixture(scope="session")
def scene() -> Iterator[Scene]:
    assert preflight.missing() == ()
    with Run.open() as run:
        yield Scene.set(run)


@pytest.fixture(scope="session")
def standing(scene: Scene) -> Iterator[list[Visit]]:
    """Hold the installation that runs with the hospital's policy, if one does; one laptop has room for one daemon."""
    held: list[Visit] = []
    yield held
    _end(held)


@pytest.fixture
def running(scene: Scene, standing: list[Visit]) -> Iterator[Visit]:
    """Lend the installation that tests share; one that did not do well is not lent again."""
    scene.calm()
    if not standing:
        standing.append(Visit.prepare(scene, f"standing-{next(_numbers)}").start())
    lent = standing.pop()
    yield lent
    try:
        lent.rest()
    except BaseException:
        lent.end()
        raise
    standing.append(lent)


@pytest.fixture
def visit(scene: Scene, standing: list[Visit]) -> Iterator[Visit]:
    """Install Sekisho afresh for one test, which starts it."""
    _end(standing)
    scene.calm()
    prepared = Visit.prepare(scene, f"visit-{next(_numbers)}")
    yield prepared
    prepared.end()


@pytest.fixture(scope="session", autouse=True)
def lonely() -> Iterator[Future[Lonely]]:
    """Play the story of a gateway that dies beside everything else: most of it is waiting."""
    with Run.open() as run, ThreadPoolExecutor(1) as aside:
        yield aside.submit(live, run)


def _end(held: list[Visit]) -> None:
    while held:
        held.pop().end()
