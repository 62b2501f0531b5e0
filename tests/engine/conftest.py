"""The stages that the engine's tests run their programs on."""

import sys
from pathlib import Path

import pytest

from tests.engine.stage import SHELF, Stage

# Programs of the tests say `import shelf`, as programs outside of tests name an SDK.
sys.path.insert(0, str(SHELF))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage of a small program."""
    return Stage(tmp_path)
