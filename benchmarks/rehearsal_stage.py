"""The real program in a world of its own, and the processes that the benchmarks measure.

Run as a script it is one measured process: `rehearsal_stage.py mocks|up FOLDER`.
"""

import asyncio
import json
import resource
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rehearsal.stage import Stage  # noqa: E402 - the project is found only from here on

STACK = "qual"
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".rehearsal", "__pycache__", "*_cache")


@dataclass(frozen=True)
class Measured:
    """One process, measured as a whole.

    Attributes:
        seconds: From its start to its end, imports included.
        peak_mb: Its greatest resident memory in MiB; of the engine's process alone.
        own_cpu: Processor seconds of the process itself.
        program_cpu: Processor seconds of the program's process, where there is one.
        parts: Seconds by part of the run, from its start.
    """

    seconds: float
    peak_mb: float
    own_cpu: float
    program_cpu: float
    parts: dict[str, float]


def copy_project(folder: Path) -> Path:
    """Copy the project into `folder` and return where it lies."""
    project = folder / "project"
    shutil.copytree(ROOT, project, ignore=_LEFT_OUT)
    return project


def stage_of(folder: Path) -> Stage:
    """Return the stage of a copied project."""
    return Stage(folder / "project", STACK, runs=folder / "runs")


@contextmanager
def world_for(folder: Path) -> Iterator[float]:
    """Let a world stand for a while; gives the seconds that it took to start."""
    stage = stage_of(folder)
    begun = time.perf_counter()
    stage.start_world()
    try:
        yield time.perf_counter() - begun
    finally:
        stage.stop_world()


def measure(kind: str, folder: Path) -> Measured:
    """Run one process and measure it."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, kind, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begun
    return Measured(seconds, **json.loads(done.stdout.splitlines()[-1]))


def _mocks(stage: Stage) -> dict[str, float]:
    import pulumi  # noqa: PLC0415 - each measured process imports what it needs itself
    from pulumi.runtime.stack import run_pulumi_func  # noqa: PLC0415 - as above

    class Mocks(pulumi.runtime.Mocks):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
            told = {"revision": "1", "sha256": "0" * 64, "stdout": ""}
            told["value"] = "a" * int(args.inputs.get("length", 1))
            return f"{args.name}-id", told | dict(args.inputs)

        def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
            del args
            return {"zoneId": "0" * 32, "id": "0" * 32}

    config, secret_keys = stage.configuration(stage.world())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(Mocks(), project="mail", stack=STACK)
    pulumi.runtime.set_all_config(config, list(secret_keys))

    def program() -> None:
        runpy.run_path(str(stage.project), run_name="__main__")

    loop.run_until_complete(run_pulumi_func(program))
    return {}


def _up(stage: Stage) -> dict[str, float]:
    begun = time.perf_counter()
    parts: dict[str, float] = {}

    def watch(event: Any) -> None:
        now = time.perf_counter() - begun
        parts.setdefault("first step", now)
        # A resource below a component counts for it: the chain of types in the URN names them.
        chain = event.urn.split("::")[2].split("$") if event.urn else [""]
        if event.kind == "end" and chain[0].startswith("mail:components:"):
            name = chain[0].removeprefix("mail:components:")
            parts[name] = max(parts.get(name, 0), now)
            if event.seconds >= 0.2:
                parts[f"{name}: {event.name}"] = event.seconds

    engine = stage.engine(stage.world(), on_event=watch)
    parts["providers imported"] = time.perf_counter() - begun
    outcome = engine.up()
    parts["state written, program ended"] = time.perf_counter() - begun
    if not outcome.ok:
        raise SystemExit("\n".join(error.message for error in outcome.errors))
    parts["changed"] = float(sum(count for op, count in outcome.changes.items() if op.changes))
    parts["resources"] = float(len(outcome.resources))
    return parts


def main() -> None:
    """Be one measured process."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    parts = {"mocks": _mocks, "up": _up}[kind](stage_of(folder))
    own = resource.getrusage(resource.RUSAGE_SELF)
    program = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "peak_mb": own.ru_maxrss / 1024,
        "own_cpu": own.ru_utime + own.ru_stime,
        "program_cpu": program.ru_utime + program.ru_stime,
        "parts": parts,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
