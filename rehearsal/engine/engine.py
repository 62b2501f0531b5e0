"""The engine: preview, up, refresh, import and destroy of a stack of an unmodified program."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import yaml
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from rehearsal.engine import deletion, guard, import_skeleton, refresh
from rehearsal.engine.backend import Backend
from rehearsal.engine.deployment import Deployment
from rehearsal.engine.importing import Entry, Importing
from rehearsal.engine.launch import Briefing
from rehearsal.engine.lock import StackLock
from rehearsal.engine.logs import Logs
from rehearsal.engine.model import Event, Outcome, Severity
from rehearsal.engine.monitor import EngineService, Monitor
from rehearsal.engine.program import Program, warm
from rehearsal.engine.providers import Factory, Pool
from rehearsal.engine.run import Report, Run, Table
from rehearsal.engine.scrub import Scrubber
from rehearsal.engine.sealing import Sealer
from rehearsal.engine.urn import Names
from rehearsal.engine.values import Properties, secret

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there: ten times as fast."""
_CHANGING = frozenset({"up", "destroy"})
"""Commands that change what is out there, not the state alone."""
Hear: TypeAlias = Callable[[str, str], None]
Work: TypeAlias = Callable[[Run, Hear], Awaitable[None]]


class ProjectRefusedError(Exception):
    """The folder is not a Python project of Pulumi's."""


@dataclass(frozen=True)
class Project:
    """What `Pulumi.yaml` says."""

    name: str
    folder: Path
    program: Path

    @classmethod
    def read(cls, folder: Path) -> "Project":
        """Read the project file of a folder.

        Raises:
            ProjectRefusedError: there is none, or it is not for Python.
        """
        folder = folder.resolve()
        path = folder / "Pulumi.yaml"
        try:
            content: dict[str, Any] = yaml.load(path.read_text(), _LOADER)  # noqa: S506 (a safe one)
        except FileNotFoundError:
            message = f"{path} is missing: the folder is not a Pulumi project"
            raise ProjectRefusedError(message) from None
        runtime = content.get("runtime")
        language = runtime.get("name") if isinstance(runtime, dict) else runtime
        if language != "python":
            message = f"{path}: the runtime is {language}, this engine runs python"
            raise ProjectRefusedError(message)
        return cls(content["name"], folder, (folder / content.get("main", ".")).resolve())


class Engine:
    """Runs one stack against providers that live in this process; see the package's docstring."""

    def __init__(  # noqa: PLR0913, PLR0917 (a stack is described by this much, mostly by name)
        self,
        project: Path,
        stack: str,
        backend: Path,
        passphrase: str,
        config: Mapping[str, str],
        secret_keys: frozenset[str] = frozenset(),
        providers: Mapping[str, Factory] | None = None,
        parallel: int = 16,
        on_event: Callable[[Event], None] | None = None,
        log_folder: Path | None = None,
        encryption_salt: str | None = None,
        lock: StackLock | None = None,
    ) -> None:
        """Describe the stack; nothing is touched yet.

        Args:
            project: Folder of `Pulumi.yaml`.
            stack: Name of the stack.
            backend: Folder that holds, or gets, `.pulumi`.
            passphrase: Opens and seals the state's secrets.
            config: Configuration by full key (`mail:domain`), objects as JSON text.
            secret_keys: Which of those keys are secret.
            providers: By package name, what makes a provider.
            parallel: How many operations of providers may go on at once.
            on_event: Is told what happens while it happens.
            log_folder: Gets the program's output and the engine's events.
            encryption_salt: Salt to seal a new state with; one that exists keeps its own.
            lock: Held while a run may change the state; one beside the state if None.

        Raises:
            ProjectRefusedError: the folder is not a Python project of Pulumi's.
        """
        self._project = Project.read(project)
        self._stack = stack
        self._names = Names(stack, self._project.name)
        self._backend = Backend(backend, self._project.name, stack)
        self._lock = lock or self._backend.lock()
        self._passphrase = passphrase
        self._config = dict(config)
        self._secret_keys = secret_keys
        self._providers = dict(providers or {})
        self._parallel = max(parallel, 1)
        self._on_event = on_event
        self._log_folder = log_folder
        self._new_salt = encryption_salt
        self._sealer: Sealer | None = None

    def __repr__(self) -> str:
        return f"Engine({self._project.name}/{self._stack})"

    @property
    def encryption_salt(self) -> str:
        """The state's salt, for `encryptionsalt` in `Pulumi.<stack>.yaml`; made where none is."""
        return self._open_sealer().salt

    def preview(self) -> Outcome:
        """Return what `up` would do; nothing is changed."""
        return asyncio.run(self._carry_out("preview", self._deploy, preview=True, program=True))

    def up(self) -> Outcome:
        """Bring the stack to what the program asks for."""
        return asyncio.run(self._carry_out("up", self._deploy, program=True))

    def refresh(self) -> Outcome:
        """Let the state follow what is found; the differences are the outcome's steps."""
        return asyncio.run(self._carry_out("refresh", self._refresh))

    def destroy(self) -> Outcome:
        """Delete everything that the state holds."""
        return asyncio.run(self._carry_out("destroy", self._destroy))

    def import_resources(
        self, document: Entry, *, protect: bool = True, preview: bool = False
    ) -> Outcome:
        """Take over what is there already; out there nothing is changed.

        Args:
            document: Content of an import file (`rehearsal.engine.importing`).
            protect: Whether what is imported is protected from deletion, until the program says
                otherwise in its next deployment.
            preview: Read everything, and leave the state as it is.

        Raises:
            ImportRefusedError: the file is not as it must be; the state is as it was.
        """

        async def work(run: Run, _: Hear) -> None:
            unseal = self._open_sealer().open
            await Importing(run, self._names, unseal, protect=protect).carry_out(document)

        return asyncio.run(self._carry_out("import", work, preview=preview))

    def skeleton(self, outcome: Outcome) -> Entry:
        """Return an import file for all that a preview would create, ids to be filled in."""
        return import_skeleton.skeleton(outcome, self.seal)

    def seal(self, text: str) -> str:
        """Return a text sealed as the state's secrets are."""
        return self._open_sealer().seal(text)

    # --- around every run ---------------------------------------------------------------------

    def _open_sealer(self) -> Sealer:
        if self._sealer is None:
            self._sealer = Sealer(self._passphrase, self._backend.salt() or self._new_salt)
        return self._sealer

    async def _carry_out(
        self, command: str, work: Work, *, preview: bool = False, program: bool = False
    ) -> Outcome:
        guard.install()
        scrubber = Scrubber()
        scrubber.learn([self._passphrase])
        scrubber.learn(self._config.get(key, "") for key in self._secret_keys)
        with ExitStack() as stack:
            if not preview:
                stack.enter_context(self._lock)
            self._backend.refuse_open()
            logs = Logs(self._log_folder, scrubber)
            stack.callback(logs.close)

            def watch(event: Event) -> None:
                logs.event(event)
                if self._on_event is not None:
                    self._on_event(event)

            report = Report(watch, scrubber)
            if program:
                # Loads while this process derives the key and reads the state.
                warm(self._providers)
            run = await self._opened(report, preview=preview)
            if not preview and command in _CHANGING:
                self._backend.begin(command)
            await self._settled(run, work, logs.hear)
            if logs.failure is not None:
                report.say(Severity.WARNING, f"the logs are not whole: {logs.failure}")
            return run.outcome()

    async def _opened(self, report: Report, *, preview: bool) -> Run:
        resources = self._backend.load(await asyncio.to_thread(self._open_sealer))
        run = Run(
            Table(resources),
            Pool(self._providers),
            report,
            preview,
            asyncio.Semaphore(self._parallel),
        )
        for state in resources:
            run.learn(state)
            if state.is_provider:
                run.pool.know(state)
        return run

    async def _settled(self, run: Run, work: Work, hear: Hear) -> None:
        """Do the work and write down what came of it.

        What is stopped on its way, by a signal or by a mistake of this engine, leaves the last
        state and its mark: what it had begun is not known.
        """
        try:
            await work(run, hear)
        finally:
            await run.pool.close()
        if run.preview:
            return
        if run.table.changed or not self._backend.path.exists():
            self._backend.save(run.table.states(), self._open_sealer())
        self._backend.end()

    # --- the runs -----------------------------------------------------------------------------

    async def _deploy(self, run: Run, hear: Hear) -> None:
        deployment = Deployment(run, self._names, self._configured())
        folder = str(self._project.folder)
        monitor = Monitor(deployment, run.report, self._names, self._info(run), folder)
        server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        engine_pb2_grpc.add_EngineServicer_to_server(EngineService(run.report), server)
        port = server.add_insecure_port("127.0.0.1:0")
        try:
            await server.start()
            program = await Program.start(self._briefing(run, port), hear)
            try:
                await self._follow(program, monitor, deployment, run)
            finally:
                await program.stop()
        finally:
            await deployment.settle()
            await server.stop(grace=None)
        deployment.repair_references()

    async def _follow(
        self, program: Program, monitor: Monitor, deployment: Deployment, run: Run
    ) -> None:
        """Wait for the program; what it no longer asks for goes when it has said so."""
        ended = asyncio.create_task(program.ended())
        signalled = asyncio.create_task(monitor.signalled.wait())
        await asyncio.wait({ended, signalled}, return_when=asyncio.FIRST_COMPLETED)
        finished = monitor.signalled.is_set()
        if finished:
            await deployment.finish()
            monitor.released.set()
        code = await ended
        signalled.cancel()
        if code == 0 and not finished:
            # The program ended itself with code 0, as the genuine engine takes it.
            await deployment.finish()
        if code != 0 and not run.report.failed:
            run.report.say(Severity.ERROR, f"the program ended with exit code {code}")

    async def _refresh(self, run: Run, _: Hear) -> None:
        await refresh.refresh(run)

    async def _destroy(self, run: Run, _: Hear) -> None:
        await deletion.delete(run, run.table.states())

    def _configured(self) -> Properties:
        plain = {key: PropertyValue(value) for key, value in self._config.items()}
        return {
            key: secret(value) if key in self._secret_keys else value
            for key, value in plain.items()
        }

    def _briefing(self, run: Run, port: int) -> Briefing:
        return Briefing(
            monitor=f"127.0.0.1:{port}",
            project=self._project.name,
            stack=self._stack,
            folder=str(self._project.folder),
            program=str(self._project.program),
            preview=run.preview,
            parallel=self._parallel,
            config=self._config,
            secret_keys=sorted(self._secret_keys),
        )

    def _info(self, run: Run) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(
            project=self._project.name,
            stack=self._stack,
            organization="organization",
            config=self._config,
            configSecretKeys=sorted(self._secret_keys),
            dryRun=run.preview,
            parallel=self._parallel,
        )
