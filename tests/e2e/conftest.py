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


@pytest.fixture
def visit(scene: Scene) -> Iterator[Visit]:
    scene.calm()
    prepared = Visit.prepare(scene, f"visit-{next(_numbers)}")
    yield prepared
    prepared.end()


@pytest.fixture(scope="session", autouse=True)
def lonely() -> Iterator[Future[Lonely]]:
    """Play the story of a gateway that dies beside everything else: most of it is waiting."""
    with Run.open() as run, ThreadPoolExecutor(1) as aside:
        yield aside.submit(live, run)
