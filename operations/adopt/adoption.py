"""The whole adoption: look everywhere, match, and say what the import file shall hold."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from declaration.names import SECRETS
from operations.adopt import containers, files, people, storage, zone
from operations.adopt.model import Area, Match, Question, Wanted, is_open_question
from operations.site import Site, SiteError, Sketch
from rehearsal.engine.import_skeleton import sealed_properties
from rehearsal.engine.urn import is_provider_type
from rehearsal.engine.values import Sealed

COMMAND = "command:remote:Command"
MAILCOW = "pulumi:providers:mailcow"
_PACKAGES = frozenset({"cloudflare", "command", "docker", "host", "mailcow", "minio"})


@dataclass(frozen=True)
class Adoption:
    """What runs, what is declared, and how the one becomes the other.

    Attributes:
        areas: What was found, place by place.
        commands: Names of commands; they cannot be imported and are run by the next deployment.
        held: How many resources the state holds already.
        document: The import file; secrets in it are sealed.
    """

    areas: Sequence[Area]
    commands: Sequence[str]
    held: int
    document: dict[str, Any]

    @property
    def matches(self) -> list[Match]:
        """Everything that was known again."""
        return [match for area in self.areas for match in area.matches]

    @property
    def differing(self) -> list[Match]:
        """What a deployment after the import would change."""
        return [match for match in self.matches if match.differences]

    @property
    def replaced(self) -> list[Match]:
        """What a deployment could only put another in place of."""
        return [match for match in self.matches if match.replaces]

    @property
    def missing(self) -> list[Wanted]:
        """What a deployment would make."""
        return [wanted for area in self.areas for wanted in area.missing]

    @property
    def questions(self) -> list[Question]:
        """What a person must decide first."""
        return [question for area in self.areas for question in area.questions]

    @property
    def judged(self) -> bool:
        """Whether everything could be looked at, and nothing is left to ask."""
        return not self.questions and not any(area.unread for area in self.areas)

    @property
    def imported(self) -> int:
        """How many things the file imports, components and providers not counted."""
        return sum(1 for resource in self.document["resources"] if "id" in resource)


def wanted_of(sketch: Sketch) -> list[Wanted]:
    """Return everything that is declared, components and providers left out."""
    labels = {
        (resource["type"], resource.get("logicalName", resource["name"])): resource["name"]
        for resource in sketch.document.get("resources", ())
    }
    return [
        Wanted(labels.get((kind, name), name), kind, name, inputs, (kind, name) not in labels)
        for (kind, name), inputs in sketch.inputs.items()
        if kind.split(":")[0] in _PACKAGES
    ]


def answered(areas: Sequence[Area], taken: Mapping[str, str]) -> list[Area]:
    """Return the areas with questions answered by a person.

    Args:
        areas: What was found.
        taken: Import ids by name of the resource; `none` says that it is none of those there.

    Raises:
        SiteError: an answer fits no question.
    """
    left = dict(taken)
    settled = []
    for area in areas:
        asked, matches, missing = [], list(area.matches), list(area.missing)
        for question in area.questions:
            answer = left.pop(question.wanted.name, None)
            if answer is None:
                asked.append(question)
            elif answer == "none":
                missing.append(question.wanted)
            elif answer in question.candidates:
                matches.append(Match(question.wanted, answer, unseen={"content": "chosen by hand"}))
            else:
                known = ", ".join([*question.candidates, "none"])
                raise SiteError(
                    f"--take {question.wanted.name}={answer}: it must be one of {known}"
                )
        settled.append(replace(area, questions=asked, matches=matches, missing=missing))
    if left:
        raise SiteError(f"--take {next(iter(left))}: nothing of that name is in question")
    return settled


def document_of(
    sketch: Sketch,
    matches: Sequence[Match],
    configuration: Mapping[str, Mapping[str, Any]],
    seal: Callable[[str], str],
) -> dict[str, Any]:
    """Return the import file.

    Components and providers stay as in the sketch, so that what is imported finds its place;
    what was not found is left out, the next deployment makes it.

    Args:
        sketch: What a deployment would make.
        matches: What was known again.
        configuration: Settings of providers that a preview could not know, by type.
        seal: Seals a secret.
    """
    seal = cache(seal)
    found = {match.wanted.label: match for match in matches}
    incomplete = {
        resource["name"]
        for resource in sketch.document.get("resources", ())
        if is_provider_type(resource["type"]) and not _complete(resource, sketch, configuration)
    }
    resources = []
    for resource in sketch.document.get("resources", ()):
        entry = dict(resource)
        if resource["name"] in incomplete or resource.get("provider") in incomplete:
            continue
        if is_provider_type(resource["type"]):
            more = sealed_properties(configuration.get(resource["type"], {}), seal)
            entry["inputs"] = {**resource.get("inputs", {}), **more}
        elif not resource.get("component"):
            match = found.get(resource["name"])
            if match is None:
                continue
            entry["id"] = match.id
            if match.supplied is not None:
                entry["inputs"] = sealed_properties(match.supplied.inputs, seal)
                entry["outputs"] = sealed_properties(match.supplied.outputs, seal)
        resources.append(entry)
    return {"nameTable": dict(sketch.document.get("nameTable") or {}), "resources": resources}


def _complete(
    entry: Mapping[str, Any],
    sketch: Sketch,
    configuration: Mapping[str, Mapping[str, Any]],
) -> bool:
    declared = sketch.inputs.get((entry["type"], entry.get("logicalName", entry["name"])), {})
    known = entry.get("inputs", {}).keys() | configuration.get(entry["type"], {}).keys()
    return all(key in known for key, value in declared.items() if is_open_question(value))


async def adopt(
    site: Site, *, keep_passwords: bool = True, taken: Mapping[str, str] | None = None
) -> Adoption:
    """Look at a site and match it with its declaration; nothing is changed.

    Args:
        site: Where to look.
        keep_passwords: Whether mailboxes keep the passwords that they have.
        taken: Answers to questions: import ids by name of the resource.

    Raises:
        SiteError: the program cannot be planned.
    """
    sketch = await asyncio.to_thread(site.deployer.sketch)
    if sketch.errors:
        raise SiteError(f"the program cannot be planned: {'; '.join(sketch.errors)}")
    wanted = wanted_of(sketch)
    areas = [
        await files.look(site, wanted),
        await people.look(site, wanted, keep_passwords=keep_passwords),
        await zone.look(site, wanted),
        await storage.look(site, wanted),
        await containers.look(site, wanted),
    ]
    areas = answered([area.without_held() for area in areas], taken or {})
    configuration = await _configuration(site)
    matches = [match for area in areas for match in area.matches]
    document = await asyncio.to_thread(
        document_of, sketch, matches, configuration, site.deployer.seal
    )
    commands = [
        resource.name for resource in wanted if resource.type == COMMAND and not resource.held
    ]
    return Adoption(areas, commands, sketch.held, document)


async def _configuration(site: Site) -> dict[str, dict[str, Any]]:
    """Return what a first preview cannot know of providers: Mailcow's key lies on the host."""
    try:
        key = (await site.host.read(f"{SECRETS}/api-key")).decode().strip()
    except FileNotFoundError:
        return {}
    return {MAILCOW: {"apiKey": Sealed(key)}}
