"""The program, the provider and the processes that the engine's benchmarks measure.

Run as a script it is one measured process: `engine_stage.py mocks|engine FOLDER`.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PROGRAM = """
{imports}
import json
import pulumi

class Thing(pulumi.CustomResource):
    name: pulumi.Output[str]
    def __init__(self, name, opts=None, **props):
        super().__init__("bench:index:Thing", name, props, opts)

class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("bench:index:Group", name, None, opts)

provider = pulumi.ProviderResource("bench", "bench", {{"token": pulumi.Output.secret("t")}})
groups = []
for place in range({count} - 2):
    if place % 12 == 0:
        group = Group(f"group-{{place}}", pulumi.ResourceOptions(provider=provider))
        groups.append(group)
        first = None
    else:
        thing = Thing(
            f"thing-{{place}}",
            address=f"person{{place}}@example.com",
            quota=1024.0,
            tags={{"owner": "someone", "ports": [25, 465, 587]}},
            password=pulumi.Output.secret(f"secret-{{place}}"),
            below=first.id if first else None,
            opts=pulumi.ResourceOptions(parent=group),
        )
        first = first or thing
pulumi.export("groups", len(groups))
"""
SDKS = "import pulumi_cloudflare, pulumi_command, pulumi_docker, pulumi_minio"


@dataclass(frozen=True)
class Measured:
    """One process, measured as a whole.

    Attributes:
        seconds: From its start to its end, imports included.
        peak_mb: Its greatest resident memory in MiB; of the engine's process alone.
        inner: Seconds of the run itself, imports excluded.
        own_cpu: Processor seconds of the process itself.
        program_cpu: Processor seconds of the program's process, where there is one.
    """

    seconds: float
    peak_mb: float
    inner: float
    own_cpu: float
    program_cpu: float


def write_project(folder: Path, count: int, *, sdks: bool) -> None:
    """Write a project of `count` resources, with the official SDKs imported if asked."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    text = PROGRAM.format(imports=SDKS if sdks else "", count=count)
    (folder / "__main__.py").write_text(text)


def measure(kind: str, folder: Path) -> Measured:
    """Run one process and measure it."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, kind, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begun
    told = json.loads(done.stdout.splitlines()[-1])
    return Measured(seconds, **told)


def _mocks(folder: Path) -> None:
    import asyncio  # noqa: PLC0415 (each measured process imports what it needs itself)
    import runpy  # noqa: PLC0415

    import pulumi  # noqa: PLC0415
    from pulumi.runtime.stack import run_pulumi_func  # noqa: PLC0415

    class Mocks(pulumi.runtime.Mocks):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
            return f"{args.name}-id", args.inputs

        def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
            message = f"{args.token} is not called by the program"
            raise NotImplementedError(message)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(Mocks(), project="bench", stack="dev")

    def program() -> None:
        runpy.run_path(str(folder), run_name="__main__")

    loop.run_until_complete(run_pulumi_func(program))


def _engine(folder: Path) -> None:
    from pulumi.provider.experimental import provider as p  # noqa: PLC0415

    from rehearsal.engine import Engine  # noqa: PLC0415

    class Bench(p.Provider):
        async def create(self, request: p.CreateRequest) -> p.CreateResponse:
            return p.CreateResponse(f"{request.name}-id", request.properties)

        async def update(self, request: p.UpdateRequest) -> p.UpdateResponse:
            return p.UpdateResponse(request.news)

    engine = Engine(folder, "dev", folder, "passphrase", {}, providers={"bench": Bench})
    outcome = engine.up()
    if not outcome.ok:
        raise SystemExit(str(outcome.errors))


def main() -> None:
    """Be one measured process."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    begun = time.perf_counter()
    {"mocks": _mocks, "engine": _engine}[kind](folder)
    inner = time.perf_counter() - begun
    own = resource.getrusage(resource.RUSAGE_SELF)
    program = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "peak_mb": own.ru_maxrss / 1024,
        "inner": inner,
        "own_cpu": own.ru_utime + own.ru_stime,
        "program_cpu": program.ru_utime + program.ru_stime,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
