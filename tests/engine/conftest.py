"""The stages that the engine's tests run their programs on."""

import sys
from pathlib import Path

import pytest

from rehearsal.engine import engine as engine_module
from tests.engine.stage import SHELF, ProgramInThread, Stage

# Programs of the tests say `import shelf`, as programs outside of tests name an SDK.
sys.path.insert(0, str(SHELF))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage whose programs run in a thread."""
    monkeypatch.setattr(engine_module, "Program", ProgramInThread)
    return Stage(tmp_path)


@pytest.fixture
def real_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage whose programs run in a process of their own, as they do outside of tests."""
    monkeypatch.setenv("PYTHONPATH", str(SHELF))
    return Stage(tmp_path)
