"""Pulumi's CLI, driven: what it did is read from the engine's own log of events, not from words.

A rehearsal drives it on a world, `operations --live` on the real stack.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 0.2
_STEPS_OF_A_PREVIEW = "resourcePreEvent"
_STEPS_THAT_ENDED = "resOutputsEvent"
_UNCHANGED = frozenset({"same", "read", "read-replacement", "refresh"})
_LAST_LINES = 20


@dataclass(frozen=True)
class Step:
    """What the engine does, or would do, with one resource.

    Attributes:
        op: `create`, `update`, `replace`, `delete`, `import`, ...
        urn: URN.
        type: Type token.
        properties: Paths of the properties that change.
        inputs: Inputs that are declared; secrets are masked, unknown values Pulumi's sentinel.
    """

    op: str
    urn: str
    type: str
    properties: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Name that the program gives the resource."""
        return self.urn.rpartition("::")[2]

    @property
    def changes(self) -> bool:
        """Whether anything changes."""
        return self.op not in _UNCHANGED


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Attributes:
        steps: Every step: of a preview what would be done, otherwise what was done.
        changes: How often each operation occurred, as the engine counts them.
        errors: Why it failed: the engine's errors and the violations that refuse; empty if it did
            not fail.
        advice: What policies say without refusing, such as rules that judge on `up`.
    """

    steps: tuple[Step, ...]
    changes: Mapping[str, int]
    errors: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return not self.errors

    @property
    def changed(self) -> dict[str, int]:
        """How often each operation that changes something occurred."""
        return {op: count for op, count in self.changes.items() if count and op not in _UNCHANGED}


class Cli:
    """The CLI in one project."""

    def __init__(
        self, program: Path, project: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Take the program, the folder of `Pulumi.yaml`, and the environment, its own if None."""
        self._program = program
        self._project = project
        own = os.environ if environment is None else environment
        # `--event-log`, which the Automation API uses too, is an option of the debugging commands.
        self._environment = {**own, "PULUMI_DEBUG_COMMANDS": "true"}

    def run(
        self, *words: str, text: str = "", timeout: float | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command that deploys nothing.

        Args:
            words: Command and options.
            text: Its standard input.
            timeout: Seconds that it may take.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        return subprocess.run(  # noqa: S603 - no shell
            [str(self._program), *words, "--non-interactive"],
            cwd=self._project, env=self._environment, input=text, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip

    def deploy(
        self,
        command: str,
        *words: str,
        on_step: Callable[[Step], None] | None = None,
        on_start: "Callable[[subprocess.Popen[bytes]], None] | None" = None,
    ) -> Outcome:
        """Run `preview`, `up`, `refresh`, `destroy` or `import` to its end.

        Args:
            command: The command.
            words: Its options.
            on_step: Told each step that changes something, as it ends.
            on_start: Told the process, once it runs.
        """
        with tempfile.TemporaryDirectory(prefix="po-mail-") as folder:
            log, output = Path(folder, "events"), Path(folder, "output")
            log.touch(mode=0o600)
            with output.open("wb") as sink:
                process = subprocess.Popen(  # noqa: S603 - no shell
                    [str(self._program), command, *words, "--non-interactive", "--color", "never",
                     "--suppress-outputs", "--event-log", str(log)],
                    cwd=self._project, env=self._environment, stdin=subprocess.DEVNULL,
                    stdout=sink, stderr=subprocess.STDOUT,
                )  # fmt: skip
            if on_start:
                on_start(process)
            story = _Story(preview=command == "preview")
            try:
                for event in _followed(log, process):
                    step = story.take(event)
                    if on_step and step and step.changes:
                        on_step(step)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
            return story.outcome(process.returncode, output.read_text(errors="replace"))


def _followed(log: Path, process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    """Yield the events in a file to which a process adds lines, until it has ended."""
    rest = b""
    with log.open("rb") as source:
        while True:
            ended = process.poll() is not None
            *lines, rest = (rest + source.read()).split(b"\n")
            yield from (json.loads(line) for line in lines if line.strip())
            if ended:
                return
            time.sleep(_LOOK_SECONDS)


class _Story:
    """Gathers events into an outcome."""

    def __init__(self, *, preview: bool) -> None:
        self._preview = preview
        self._kind = _STEPS_OF_A_PREVIEW if preview else _STEPS_THAT_ENDED
        self._steps: list[Step] = []
        self._changes: dict[str, int] = {}
        self._errors: list[str] = []
        self._advice: list[str] = []

    def take(self, event: Mapping[str, Any]) -> Step | None:
        """Take an event; return the step of which it tells, if it does."""
        body = event.get(self._kind)
        if body and not self._only_planned(body.get("planning")):
            step = _step(body["metadata"])
            self._steps.append(step)
            return step
        body = event.get("summaryEvent")
        if body and not self._only_planned(body.get("isPreview")):
            self._changes = dict(body.get("resourceChanges") or {})
        elif body := event.get("diagnosticEvent"):
            if body["severity"] == "error":
                self._errors.append(_plain(body))
        elif body := event.get("policyEvent"):
            said = self._errors if body["enforcementLevel"] == "mandatory" else self._advice
            said.append(f"{body['policyName']}: {_plain(body)}")
        return None

    def _only_planned(self, planned: object) -> bool:
        """Tell whether an event is of the preview that comes before what was asked for."""
        return bool(planned) and not self._preview

    def outcome(self, status: int, output: str) -> Outcome:
        """Return what became of it all; a failure without an error is told by its last lines."""
        errors = list(dict.fromkeys(filter(None, self._errors)))
        if not status:
            errors = []
        elif status < 0:
            errors.append(
                f"pulumi was ended by signal {-status}; docs/runbook.md says how to go on"
            )
        elif not errors:
            lines = output.strip().splitlines()
            errors = [line for line in lines if "error:" in line] or lines[-_LAST_LINES:]
            errors = errors or [f"pulumi ended with {status}"]
        return Outcome(tuple(self._steps), self._changes, tuple(errors), tuple(self._advice))


def _step(metadata: Mapping[str, Any]) -> Step:
    state = metadata.get("new") or metadata.get("old") or {}
    changed = metadata.get("detailedDiff") or metadata.get("diffs") or ()
    return Step(
        op=metadata["op"],
        urn=metadata["urn"],
        type=metadata["type"],
        properties=tuple(changed),
        inputs=state.get("inputs") or {},
    )


def _plain(body: Mapping[str, Any]) -> str:
    """Return the message of an event without the marks of colours: `<{%reset%}>`."""
    text = str(body["message"])
    for piece in text.split("<{%")[1:]:
        text = text.replace("<{%" + piece.partition("%}>")[0] + "%}>", "")
    return text.strip()
