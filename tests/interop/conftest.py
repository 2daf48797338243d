"""The lab of one module, and a clean gateway for each test."""

from collections.abc import Iterator

import pytest

from tests.interop.hospital import Hospital
from tests.lab import preflight
from tests.lab.run import Run


@pytest.fixture(scope="module")
def built() -> Iterator[Hospital]:
    """Build the lab once for a module."""
    assert preflight.missing() == ()
    with Run.open() as run:
        yield Hospital.found(run)


@pytest.fixture
def hospital(built: Hospital) -> Iterator[Hospital]:
    """Lend it to one test, with the usual connection loaded and no SA."""
    built.serve()
    yield built
    built.tidy()
