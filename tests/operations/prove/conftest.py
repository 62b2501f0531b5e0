"""One deployed world for the whole module: deploying takes longer than proving."""

from collections.abc import Iterator

import pytest

from tests.operations.prove.rehearsed import Rehearsed


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    """Return the stack `qual`, deployed to a world of its own."""
    world = Rehearsed(tmp_path_factory.mktemp("runs"))
    yield world
    world.close()
