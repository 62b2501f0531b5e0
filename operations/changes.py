"""Three changes of the declaration, with their plans, as a rehearsal foresees them.

`python -m operations.changes` rehearses them and writes docs/changes/; with `--check` it only says
whether the pages are current.
"""

import difflib
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from declaration.mistakes import DeclarationError
from declaration.reading import load_values, read
from operations.site.editing import edited
from operations.site.model import PROJECT, SiteError
from operations.site.rehearsed import deploy_afresh
from rehearsal.engine import Sealed
from rehearsal.engine.model import Outcome, PropertyChange, Step
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient

FOLDER = PROJECT / "docs" / "changes"
"""The pages."""

_HEAD = "<!-- Written by `python -m operations.changes` from a rehearsed preview. -->"
_HEX = re.compile(r"\b[0-9a-f]{16,64}\b|\bp=[A-Za-z0-9+/=]{40,}")
_PORT = re.compile(r"127\.0\.0\.1:\d+|localhost:\d+")
_QUIET = re.compile(r"(?:^|\.)(?:modifiedOn|update|create|triggers|revision|sha256)$")
_WIDTH = 120


@dataclass(frozen=True)
class Change:
    """One change of the declaration.

    Attributes:
        page: File name of its page, without `.md`.
        title: What it is.
        says: What there is to know, in Markdown.
        edits: New values by path, as `Site.declare` takes them.
        refused: Halves of it that are refused: what is left out, and the edits that remain.
    """

    page: str
    title: str
    says: str
    edits: Mapping[str, Any]
    refused: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_ADDRESS = "2a02:4780:28:5d2e::1"
CHANGES = (
    Change(
        "ipv6",
        "IPv6",
        "One switch with three consequences, which are taken together or not at all: the AAAA\n"
        "record of the mail host, the PTR record (set at the host's provider, and said to be),\n"
        "and `inet_protocols`. `mail:ipv6` cannot be said in part. Set the PTR record first;\n"
        "`make prove` then looks for it. The containers' network cannot change while they run,\n"
        "so the stack is taken down and up: mail waits at its senders for a minute or two.",
        {"ipv6": {"address": _ADDRESS, "reverseIsSet": True}},
        {
            "an address without a PTR record": {"ipv6": {"address": _ADDRESS}},
            "a PTR record without an address": {"ipv6": {"reverseIsSet": True}},
            "an address that is not public": {"ipv6": {"address": "fd00::1", "reverseIsSet": True}},
        },
    ),
    Change(
        "smarthost",
        "Another smarthost",
        "Outbound mail has one way out and no fall-back; should it become a chronic problem,\n"
        "another one is this one line. `mail:smarthost.provider` names a row of the table in\n"
        "`declaration/smarthost_providers.py`, or `other`, any by its host name; the user is\n"
        "said besides where each account has its own, and `port` where the host's provider shuts\n"
        "587 (on 465 and 2465 TLS begins with the first byte). The account's facts change with\n"
        "the account: `pulumi config set --secret mail:smarthostPassword`, and\n"
        "`mail:dkimPublicKey` if the new one signs with another key; give it a selector of its\n"
        "own then, and change selectors by `make rotate WHAT=dkim` (docs/rotation.md). Have the\n"
        "domain verified there first. Messages that wait leave through the new one.",
        {"smarthost.provider": "ses", "smarthost.user": "rehearsed-account"},
        {
            "without the user of the account": {"smarthost.provider": "ses"},
            "in a region outside the EU": {
                "smarthost.provider": "ses",
                "smarthost.user": "rehearsed-account",
                "smarthost.region": "us-east-1",
            },
            "on a port that it does not offer": {"smarthost.port": 2525},
        },
    ),
)
"""Changes of the stack `qual` that are tried on its deployed world."""

OTHER_STACK = "example"
"""The stack of another company."""


def plain(text: str) -> str:
    """Return a text without what differs from one rehearsal to the next."""
    return _PORT.sub("127.0.0.1:PORT", _HEX.sub("...", text))


def _shown(value: Any) -> str:
    if isinstance(value, Sealed):
        return "[secret]"
    if value is None:
        return "nothing"
    text = plain(value if isinstance(value, str) else repr(value)).replace("\n", " ")
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."


def _difference(change: PropertyChange) -> Iterator[str]:
    """Yield the lines in which a property differs."""
    old, new = change.old, change.new
    if isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
        for line in list(lines)[2:]:
            if not line.startswith("@@"):
                yield f"      {plain(line)[: _WIDTH + 20]}"
        return
    yield f"      {change.path}: {_shown(old)} -> {_shown(new)}"


def plan_lines(steps: Sequence[Step]) -> list[str]:
    """Return a plan as lines: each resource that changes, and what of it."""
    lines = []
    for step in sorted((step for step in steps if step.op.changes), key=lambda one: one.name):
        lines.append(f"{step.op.value} {step.name} ({step.type})")
        for change in sorted(step.diff, key=lambda one: one.path):
            if not _QUIET.search(change.path):
                lines += list(_difference(change))
    return lines


def _yaml_change(text: str, edits: Mapping[str, Any]) -> list[str]:
    # Both went through the same writer: what differs is the change alone.
    before, after = edited(text, {}), edited(text, edits)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def _fenced(kind: str, lines: Sequence[str]) -> list[str]:
    return [f"```{kind}", *lines, "```", ""]


def _complaint(source: Path, edits: Mapping[str, Any], overlay: Mapping[str, Any]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / source.name
        draft.write_text(edited(source.read_text("utf-8"), edits), "utf-8")
        values = load_values(draft)
    try:
        read(values | dict(overlay), source=source.name)
    except DeclarationError as error:
        return str(error).splitlines()
    raise SiteError(f"half of a change is not refused: {', '.join(edits)}")


def _previewed(stage: Stage, world: WorldClient, edits: Mapping[str, Any]) -> Outcome:
    original = stage.file
    with tempfile.TemporaryDirectory() as folder:
        stage.file = Path(folder) / original.name
        stage.file.write_text(edited(original.read_text("utf-8"), edits), "utf-8")
        try:
            outcome = stage.engine(world).preview()
        finally:
            stage.file = original
    if not outcome.ok:
        raise SiteError("; ".join(error.message for error in outcome.errors))
    return outcome


def change_page(change: Change, stage: Stage, world: WorldClient) -> str:
    """Return the page of a change, from a preview on the deployed world."""
    text = stage.file.read_text("utf-8")
    outcome = _previewed(stage, world, change.edits)
    lines = [f"# {change.title}", "", _HEAD, "", change.says, "", "The declaration:", ""]
    lines += _fenced("diff", _yaml_change(text, change.edits))
    lines += ["The plan; everything else stays as it is:", ""]
    lines += _fenced("text", plan_lines(outcome.steps))
    for what, edits in change.refused.items():
        lines += [f"Refused, {what}:", ""]
        lines += _fenced("text", _complaint(stage.file, edits, world.overlay))
    return "\n".join(lines).rstrip() + "\n"


def company_page(stage: Stage, outcome: Outcome) -> str:
    """Return the page of another company, from the plan of its first deployment."""
    steps = [step for step in outcome.steps if step.op.changes]
    types = Counter(step.type for step in steps)
    values = stage.values()
    lines = [
        "# Another domain", "", _HEAD, "",
        f"`{stage.file.name}` declares the mail of {values['company']}, which is invented. It is a",
        "stack of its own: `pulumi stack init`, its file, its secrets; the program is the same.",
        f"`make rehearse STACK={stage.stack}` deploys it and sees mail flow. It shares nothing",
        "with another stack but the names of this system itself (`po-mail`).", "",
        "The plan of its first deployment, by type:", "",
    ]  # fmt: skip
    lines += _fenced("text", [f"{count:4} {kind}" for kind, count in sorted(types.items())])
    records = [step.name for step in steps if step.type.startswith("cloudflare:")]
    boxes = [step.name for step in steps if step.type.startswith("mailcow:")]
    lines += [f"Its records: {', '.join(sorted(records))}.", ""]
    lines += [f"In Mailcow: {', '.join(sorted(boxes))}."]
    return "\n".join(lines) + "\n"


def pages(runs: Path) -> dict[str, str]:
    """Rehearse every change and return its page by file name.

    Args:
        runs: Folder for what the rehearsals leave behind.

    Raises:
        SiteError: a deployment or a preview failed.
    """
    found = {}
    stage = Stage(PROJECT, "qual", runs)
    try:
        world = deploy_afresh(stage)
        for change in CHANGES:
            found[f"{change.page}.md"] = change_page(change, stage, world)
    finally:
        stage.stop_world()
    other = Stage(PROJECT, OTHER_STACK, runs)
    world = other.start_world(parent=os.getpid())
    try:
        outcome = other.engine(world).preview()
        if not outcome.ok:
            raise SiteError("; ".join(error.message for error in outcome.errors))
        found["domain.md"] = company_page(other, outcome)
    finally:
        other.stop_world()
    return found


def is_current(page: Path, text: str) -> bool:
    """Return whether a page says this."""
    return page.exists() and page.read_text("utf-8") == text


def main(arguments: list[str]) -> int:
    """Write the pages, or say whether they are current.

    Args:
        arguments: Command line without the program's name: nothing, or `--check`.

    Returns:
        Exit code: 1 when `--check` finds a page out of date.
    """
    with tempfile.TemporaryDirectory() as folder:
        current = pages(Path(folder))
    if arguments == ["--check"]:
        return int(any(not is_current(FOLDER / name, text) for name, text in current.items()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in current.items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
