"""The program's registrations, recorded without an engine, a network or a secret.

    python -m policies.recording < configuration.json

runs the program of the folder in this process against a monitor that deploys nothing, and writes
what it registered. `record` starts that in a child process: the program is a whole program, and a
process runs one.
"""

import asyncio
import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.model import Resource, Secret
from policies.views import name_of, plain

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a signature, known to all
_MARK = "$secret"
_SECONDS = 120
PLACEHOLDER = "placeholder"
"""What every secret is replaced by begins with."""


class ProgramError(Exception):
    """The program did not run to its end; the text is what it said."""


@dataclass(frozen=True)
class Configuration:
    """What the program is run with.

    Attributes:
        stack: Name of the stack.
        values: Configuration by full key, as the runtime hands it over.
        secrets: Full keys that are secret; their values are placeholders.
    """

    stack: str
    values: Mapping[str, str]
    secrets: Sequence[str]


def record(
    project: Path, configuration: Configuration, program: Path | None = None
) -> list[Resource]:
    """Run a program in a child process and return what it registers.

    Args:
        project: Folder of the program; it becomes the working directory.
        configuration: What it is run with.
        program: File of the program; `__main__.py` in the folder when absent.

    Raises:
        ProgramError: the program failed or did not end.
    """
    order = {
        "stack": configuration.stack,
        "values": dict(configuration.values),
        "secrets": list(configuration.secrets),
        "program": str(program or project / "__main__.py"),
    }
    words = [sys.executable, "-m", "policies.recording"]
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    surroundings = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
    try:
        child = subprocess.run(  # noqa: S603 - our own module, with our own interpreter
            words, input=json.dumps(order), capture_output=True, text=True, check=False,
            cwd=project, timeout=_SECONDS, env=surroundings,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ProgramError("the program did not end") from None
    if child.returncode != 0:
        raise ProgramError(
            child.stderr.strip().splitlines()[-1] if child.stderr.strip() else "no reason"
        )
    return [_resource(recorded) for recorded in json.loads(child.stdout)]


def _resource(given: Mapping[str, Any]) -> Resource:
    return Resource(
        urn=given["urn"],
        type=given["type"],
        name=given["name"],
        properties=plain(_marked(given["properties"])),
        parent=given["parent"],
        provider=given["provider"],
        dependencies=tuple(given["dependencies"]),
        protect=given["protect"],
    )


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_MARK}:
            return Secret(_marked(value[_MARK]))
        return {key: _marked(one) for key, one in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value


# In the child


def run_here(order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run the program in a thread with an event loop of its own; return what it registered.

    A process does so once.
    """
    from pulumi.runtime import config as runtime_config  # noqa: PLC0415 - the child alone needs it
    from pulumi.runtime.mocks import set_mocks  # noqa: PLC0415 - as above
    from pulumi.runtime.stack import run_pulumi_func  # noqa: PLC0415 - as above

    found: list[dict[str, Any]] = []
    failed: list[BaseException] = []
    monitor, mocks = _monitor(found)

    def program() -> None:
        runpy.run_path(order["program"], run_name="__main__")

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            set_mocks(mocks, project="mail", stack=order["stack"], monitor=monitor)
            runtime_config.set_all_config(dict(order["values"]), list(order["secrets"]))
            loop.run_until_complete(run_pulumi_func(program))
        except BaseException as error:  # noqa: BLE001 - raised again below
            failed.append(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found


def _monitor(found: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Return a monitor that records, and the answers that it gives."""
    import pulumi  # noqa: PLC0415 - the child alone needs it
    from google.protobuf import json_format  # noqa: PLC0415 - as above
    from pulumi.runtime.mocks import MockMonitor, Mocks  # noqa: PLC0415 - as above

    class Answers(Mocks):
        def new_resource(self, args: Any) -> tuple[str | None, dict[Any, Any]]:
            state: dict[Any, Any] = {"revision": "1", "sha256": "0" * 64} | dict(args.inputs)
            length = int(args.inputs.get("length") or 40)
            invented = (f"{PLACEHOLDER}-{args.name}-" + "x" * 512)[:length]
            if args.typ == "host:index:Secret":
                state["value"] = pulumi.Output.secret(invented)
            if args.typ == "minio:index/iamServiceAccount:IamServiceAccount":
                state["accessKey"] = pulumi.Output.secret(f"{PLACEHOLDER}-access-key")
                state["secretKey"] = pulumi.Output.secret(f"{PLACEHOLDER}-secret-key")
            if args.typ == "docker:index/remoteImage:RemoteImage":
                digest = str(args.inputs.get("name", "")).rpartition("@")[2]
                state["imageId"] = digest if digest.startswith("sha256:") else f"sha256:{args.name}"
            return f"{args.name}-id", state

        def call(self, args: Any) -> Any:
            del args  # every answer is the same
            return {"zoneId": "0" * 32, "id": "0" * 32}

    class Monitor(MockMonitor):
        def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
            answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # untyped in the SDK
            if request.type != "pulumi:pulumi:Stack":
                properties = _opened(json_format.MessageToDict(request.object))
                found.append(
                    {
                        "urn": answer.urn,
                        "type": request.type,
                        "name": request.name,
                        "properties": properties,
                        "parent": name_of(request.parent),
                        "provider": name_of(request.provider),
                        "dependencies": list(request.dependencies),
                        "protect": request.protect,
                    }
                )
            return answer

    answers = Answers()
    return Monitor(answers), answers


def _opened(value: Any) -> Any:
    """Return a value of the protocol, with secrets under a mark of our own."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return {_MARK: _opened(value["value"])}
        if _SIGNATURE in value:  # an output with its dependencies
            inner = _opened(value.get("value"))
            return {_MARK: inner} if value.get("secret") else inner
        return {key: _opened(one) for key, one in value.items()}
    return [_opened(item) for item in value] if isinstance(value, list) else value


def main() -> int:
    """Read what to run from standard input, run it, write what it registered."""
    order = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr  # what the program prints is none of the answer
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = run_here(order)
    except BaseException as error:  # noqa: BLE001 - a text for the parent, no traceback
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    json.dump(found, out)
    out.flush()
    # The SDK leaves threads behind that would keep the process from ending.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
