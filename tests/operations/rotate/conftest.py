"""One deployed world for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.operations.rotate.rotating import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("runs"))
    yield world
    world.close()
