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

from rehearsal.engine import deletion, guard, import_file, import_skeleton, refresh
from rehearsal.engine.backend import Backend
from rehearsal.engine.briefing import Briefing
from rehearsal.engine.deployment import Deployment
from rehearsal.engine.importing import Importing
from rehearsal.engine.ledger import Ledger
from rehearsal.engine.logs import Logs
from rehearsal.engine.model import Event, Op, Outcome, Severity
from rehearsal.engine.monitor import EngineService, Monitor
from rehearsal.engine.program import Program
from rehearsal.engine.providers import Factory, Pool
from rehearsal.engine.run import Report, Run
from rehearsal.engine.scrub import Scrubber
from rehearsal.engine.sealing import Sealer
from rehearsal.engine.urn import Names
from rehearsal.engine.values import secret

Work: TypeAlias = Callable[[Run, Program | None], Awaitable[None]]


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
            content: dict[str, Any] = yaml.safe_load(path.read_text())
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

        Raises:
            ProjectRefusedError: the folder is not a Python project of Pulumi's.
        """
        self._project = Project.read(project)
        self._stack = stack
        self._backend = Backend(backend, self._project.name, stack)
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
        return asyncio.run(self._carry_out(self._deploy, preview=True, program=True))

    def up(self) -> Outcome:
        """Bring the stack to what the program asks for."""
        return asyncio.run(self._carry_out(self._deploy, program=True))

    def refresh(self) -> Outcome:
        """Let the state follow what is found; the differences are the outcome's steps."""
        return asyncio.run(self._carry_out(self._refresh))

    def refresh_preview(self) -> Outcome:
        """Return what `refresh` would find; the state stays as it is."""
        return asyncio.run(self._carry_out(self._refresh, preview=True))

    def import_resources(
        self, document: import_file.Entry, *, protect: bool = True, preview: bool = False
    ) -> Outcome:
        """Take over what is there already; out there nothing is changed.

        Args:
            document: Content of an import file (`rehearsal.engine.import_file`).
            protect: Whether what is imported is protected from deletion, until the program says
                otherwise in its next deployment.
            preview: Read everything, and leave the state as it is.

        Raises:
            ImportRefusedError: the file is not as it must be; the state is as it was.
        """

        async def work(run: Run, _: Program | None) -> None:
            names = Names(self._stack, self._project.name)
            imports = import_file.parse(document, names, self._open_sealer().open)
            importing = Importing(run, names, self._configured(), protect=protect)
            await importing.carry_out(imports)

        return asyncio.run(self._carry_out(work, preview=preview))

    def skeleton(self, outcome: Outcome) -> import_file.Entry:
        """Return an import file for all that a preview would create, ids to be filled in."""
        return import_skeleton.skeleton(outcome, self.seal)

    def seal(self, text: str) -> str:
        """Return a text sealed as the state's secrets are."""
        return self._open_sealer().seal(text)

    def destroy(self) -> Outcome:
        """Delete everything that the state holds."""
        return asyncio.run(self._carry_out(self._destroy))

    # --- around every run ---------------------------------------------------------------------

    def _open_sealer(self) -> Sealer:
        if self._sealer is None:
            self._sealer = Sealer(self._passphrase, self._backend.salt() or self._new_salt)
            self._new_salt = self._sealer.salt
        return self._sealer

    async def _carry_out(
        self, work: Work, *, preview: bool = False, program: bool = False
    ) -> Outcome:
        guard.install()
        scrubber = Scrubber()
        scrubber.learn([self._passphrase])
        scrubber.learn(self._config.get(key, "") for key in self._secret_keys)
        with ExitStack() as stack:
            if not preview:
                stack.enter_context(self._backend.lock())
            logs = Logs(self._log_folder, scrubber)
            stack.callback(logs.close)

            def watch(event: Event) -> None:
                logs.event(event)
                if self._on_event is not None:
                    self._on_event(event)

            report = Report(watch, scrubber)
            if not program:
                return await self._with_state(work, None, report, preview=preview)
            # The process imports while this one derives the key and reads the state.
            started = await Program.start(logs.hear)
            try:
                return await self._with_state(work, started, report, preview=preview)
            finally:
                await started.stop()

    async def _with_state(
        self, work: Work, program: Program | None, report: Report, *, preview: bool
    ) -> Outcome:
        content, folded = self._backend.load(await asyncio.to_thread(self._open_sealer))
        sealer = self._open_sealer()
        if not preview and (folded or not self._backend.path.exists()):
            # The first state holds little but the salt: without it, nobody could ever open the
            # journal of a first run that is killed.
            self._backend.save(content, sealer, None)
            content, _ = self._backend.load(sealer)
        journal = None if preview else self._backend.open_journal()
        run = Run(
            Ledger(content, sealer, journal),
            Pool(self._providers),
            report,
            preview,
            asyncio.Semaphore(self._parallel),
        )
        for state in content.resources:
            run.learn(state)
        for operation in content.pending:
            report.say(
                Severity.WARNING,
                f"an earlier run was cut short while {operation.kind} this; it may or may not "
                f"have happened",
                operation.resource.urn,
            )
        try:
            await work(run, program)
        finally:
            await run.pool.close()
            if journal is not None:
                self._save(run, journal, existed=self._backend.path.exists())
        return run.outcome()

    def _save(self, run: Run, journal: Any, *, existed: bool) -> None:
        if run.ledger.changed or not existed:
            self._backend.save(run.ledger.content(), self._open_sealer(), journal)

    # --- the runs -----------------------------------------------------------------------------

    async def _deploy(self, run: Run, program: Program | None) -> None:
        if program is None:
            return
        names = Names(self._stack, self._project.name)
        deployment = Deployment(run, names, self._configured())
        monitor = Monitor(deployment, self._info(run), str(self._project.folder))
        server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        engine_pb2_grpc.add_EngineServicer_to_server(EngineService(run.report), server)
        port = server.add_insecure_port("127.0.0.1:0")
        try:
            await server.start()
            await program.brief(self._briefing(run, port))
            await self._follow(program, monitor, deployment, run)
        finally:
            await program.stop()
            await server.stop(grace=None)
            await run.hooks.close()
            await deployment.repair_references()

    async def _follow(
        self, program: Program, monitor: Monitor, deployment: Deployment, run: Run
    ) -> None:
        """Wait for the program; what it no longer asks for goes when it has said so."""
        ended = asyncio.create_task(program.ended())
        signalled = asyncio.create_task(monitor.signalled.wait())
        await asyncio.wait({ended, signalled}, return_when=asyncio.FIRST_COMPLETED)
        finished = False
        if monitor.signalled.is_set():
            await deployment.finish()
            finished = True
            monitor.released.set()
        code = await ended
        signalled.cancel()
        if code == 0 and not finished:
            # The program ended itself with code 0, as the genuine engine takes it.
            await deployment.finish()
        if code != 0 and not run.report.failed:
            run.report.say(Severity.ERROR, f"the program ended with exit code {code}")

    async def _refresh(self, run: Run, _: Program | None) -> None:
        for state in run.ledger.states():
            if state.is_provider:
                run.pool.know(state)
        await refresh.refresh(run)

    async def _destroy(self, run: Run, _: Program | None) -> None:
        states = run.ledger.states()
        for state in states:
            if state.is_provider:
                run.pool.know(state)
        hooked = [
            state
            for state in states
            if {"BeforeDelete", "AfterDelete"} & state.resource_hooks.keys()
        ]
        for state in hooked:
            run.report.fail(
                state.urn,
                Op.DELETE,
                "it has delete hooks, which a destroy without the program cannot call; take it, or "
                "its hooks, out of the program and run `up` first",
            )
        if hooked:
            return
        await deletion.delete(run, states)
        if not run.report.failed:
            run.ledger.forget_left_over(creations=True)

    def _configured(self) -> dict[str, PropertyValue]:
        return {
            key: secret(PropertyValue(value)) if key in self._secret_keys else PropertyValue(value)
            for key, value in self._config.items()
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
