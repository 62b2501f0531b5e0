"""The Python language host: what Pulumi's CLI asks before and while it runs Python code.

Pulumi ships such a host with its releases; no package registry carries it. This one speaks the same
protocol (proto/pulumi/language.proto) as far as this project needs it: a program, providers from a
local path and a policy pack, each in the virtual environment that its `runtime` names. Whatever
else a host can do (install dependencies, write SDKs, start from a template) it does not implement,
and the CLI says so.

Pulumi's own host tells a policy pack the configuration in its environment, and holds the pack back
until the engine has told it (ConfigureStack, from 3.276). So does this one.

    python -m rehearsal.genuine.language [flags] ENGINE

prints the port on which it listens, and ends when the CLI ends, also when that is killed.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from rehearsal.genuine.pack_gate import PackGate

EXECUTOR = "pulumi-language-python-exec"
"""Pulumi's own program that runs a program; it lies on PATH."""

_SHOWN_ALREADY = 32
"""Exit code of a program that has told its error to the engine itself (EXECUTOR)."""
_PATIENCE = 5.0
"""Seconds that a child has for ending before it is killed."""
_ANALYZER = "analyzer"

Context: TypeAlias = Any
"""grpc.ServicerContext, of which there are no types."""


class Children:
    """The processes that this host started; none outlives it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], **how: Any
    ) -> "subprocess.Popen[bytes]":
        """Start a process in a session of its own, so that it ends with all that it starts."""
        child = subprocess.Popen(  # noqa: S603 - the project's own interpreter
            command, env=dict(environment), stdin=subprocess.DEVNULL, start_new_session=True, **how
        )
        with self._lock:
            self._running.add(child)
        return child

    def end(self, child: "subprocess.Popen[bytes]") -> int:
        """End a process, if it has not ended; return its exit code."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if child.poll() is not None:
                break
            try:
                os.killpg(child.pid, number)
                child.wait(_PATIENCE)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        with self._lock:
            self._running.discard(child)
        return child.wait()

    def end_all(self) -> None:
        """End every process."""
        with self._lock:
            running = list(self._running)
        for child in running:
            self.end(child)


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """The answers to the CLI. The method names are the protocol's."""

    def __init__(self, engine: str, children: Children) -> None:
        """Take the address of the engine, and where processes are kept."""
        self._engine = engine
        self._children = children

    def Handshake(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Take the address of the engine."""
        del context
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Return the version: that of the SDK which this host speaks with."""
        del request, context
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Return the providers that the installed SDKs ask for (`pulumi-plugin.json`)."""
        asked = "json.loads(f.locate().read_text()) | {'found': d.version}"
        files = (
            "for d in m.distributions() for f in d.files or [] if f.name == 'pulumi-plugin.json'"
        )
        plugins = self._asked(request.info, f"[{asked} {files}]", context)
        packages = [
            plugin_pb2.PackageDependency(
                name=plugin["name"],
                kind="resource",
                version=f"v{plugin.get('version') or plugin['found']}",
                server=plugin.get("server", ""),
            )
            for plugin in plugins
            if plugin.get("resource")
        ]
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def GetProgramDependencies(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Return the packages in the environment of a program."""
        words = "[(d.metadata['Name'], d.version) for d in m.distributions()]"
        packages = self._asked(request.info, words, context)
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version in sorted(packages)
            ]
        )

    def About(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Return the interpreter of a program."""
        executable, version = self._asked(
            request.info, "(sys.executable, sys.version.split()[0])", context
        )
        return language_pb2.AboutResponse(executable=executable, version=version)

    def Run(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Run a program to its end."""
        python = _python(request.info, context)
        arguments = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "organization": request.organization,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
        }
        words = [
            word for name, value in arguments.items() if value for word in (f"--{name}", value)
        ]
        entry = request.info.entry_point or "."
        configuration = {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        # What the program prints goes where this host's own output goes: the CLI reads it there.
        child = self._children.start(
            [python, "-u", _executor(context), *words, entry, *request.args],
            _environment(python) | configuration,
        )
        context.add_callback(lambda: self._children.end(child))
        child.wait()
        code = self._children.end(child)
        if code == _SHOWN_ALREADY:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program ended with {code}" if code else "")

    def RunPlugin(self, request: Any, context: Context) -> Iterator[Any]:  # noqa: N802
        """Run a provider or a policy pack, and hand on what it writes."""
        python = _python(request.info, context)
        folder = request.info.program_directory
        environment = _environment(python)
        gate = PackGate() if request.kind == _ANALYZER else None
        if gate:
            yield language_pb2.RunPluginResponse(stdout=f"{gate.port}\n".encode())
            context.add_callback(gate.close)
            environment |= gate.configuration()
            command = [python, "-u", "-m", "pulumi.policy", *request.args, folder]
        else:
            command = [python, folder, *request.args]
        child = self._children.start(
            command,
            environment | dict(pair.split("=", 1) for pair in request.env),
            cwd=folder if gate else request.pwd or None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(lambda: self._children.end(child))
        shut = gate is not None
        for name, data in _written(child):
            if gate and shut and name == "stdout":
                gate.open(int(data))  # the first thing that a pack writes is its port
                shut = False
            else:
                written: dict[str, Any] = {name: data}
                yield language_pb2.RunPluginResponse(**written)
        if gate:
            gate.close()
        yield language_pb2.RunPluginResponse(exitcode=self._children.end(child))

    def Cancel(self, request: Any, context: Context) -> Any:  # noqa: N802
        """End what runs: the CLI was interrupted."""
        del request, context
        self._children.end_all()
        return empty_pb2.Empty()

    def _asked(self, info: Any, words: str, context: Context) -> Any:
        """Ask the interpreter of a program for the value of an expression."""
        python = _python(info, context)
        script = f"import json, sys, importlib.metadata as m\nprint(json.dumps({words}))"
        answer = subprocess.run(  # noqa: S603 - the project's own interpreter
            [python, "-c", script], env=_environment(python), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if answer.returncode:
            _refuse(context, f"{python} cannot tell its packages: {answer.stderr.strip()[-500:]}")
        return json.loads(answer.stdout)


def _refuse(context: Context, problem: str) -> None:
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)


def _python(info: Any, context: Context) -> str:
    """Return the interpreter of the virtual environment that `runtime` names."""
    options = json_format.MessageToDict(info.options)
    virtualenv, toolchain = options.get("virtualenv"), options.get("toolchain", "pip")
    if not virtualenv or toolchain != "pip":
        _refuse(context, f"{info.root_directory}: this host needs `virtualenv`, made by pip")
    python = Path(info.root_directory, str(virtualenv), "bin/python").absolute()
    if not os.access(python, os.X_OK):
        _refuse(context, f"there is no {python}; make setup makes it")
    return str(python)


def _environment(python: str) -> dict[str, str]:
    """Return the variables of a process in the virtual environment of an interpreter."""
    binaries = Path(python).parent
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "VIRTUAL_ENV": str(binaries.parent), "PATH": path}


def _executor(context: Context) -> str:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if (file := Path(folder, EXECUTOR)).is_file():
            return str(file)
    _refuse(context, f"there is no {EXECUTOR} on PATH; make engine brings it")
    return ""


def _written(child: "subprocess.Popen[bytes]") -> Iterator[tuple[str, bytes]]:
    """Yield `stdout` or `stderr` with each line that a child writes, until it closes both."""
    lines: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def read(name: str, pipe: BinaryIO) -> None:
        for line in pipe:
            lines.put((name, line))
        lines.put((name, b""))

    pipes = {"stdout": child.stdout, "stderr": child.stderr}
    for name, pipe in pipes.items():
        threading.Thread(target=read, args=(name, pipe), daemon=True).start()
    open_pipes = len(pipes)
    while open_pipes:
        name, line = lines.get()
        if line:
            yield name, line
        else:
            open_pipes -= 1


def main() -> None:
    """Serve until the CLI ends."""
    parent, over, children = os.getppid(), threading.Event(), Children()
    server = grpc.server(ThreadPoolExecutor(max_workers=32))
    host = Host(sys.argv[-1], children)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    # An interruption reaches the whole group of processes; the CLI says what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(port, flush=True)  # noqa: T201 - the protocol's first line
    # A CLI that was killed says nothing: then this process has another parent.
    while not over.wait(0.5) and os.getppid() == parent:
        pass
    children.end_all()
    os._exit(0)  # threads may still wait for what is gone


if __name__ == "__main__":
    main()
