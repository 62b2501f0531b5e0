"""The stack as the rules see it: the declaration, its resources, and what they deploy.

Rules ask it and never the properties themselves, so that whatever they meet unknown is noted:
a rule that has met something unknown has not judged, and `judge` says so.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

from declaration.model import Declaration
from declaration.names import Names
from declaration.people import untagged
from declaration.records import Record
from declaration.zone_records import records
from policies.model import UNKNOWN, Resource, Secret, opened
from policies.snapshot import Snapshot
from policies.zone import DNS_RECORD, Zone, record_of
from readers import compose, postfix
from readers.dns import Resolver
from readers.documents import document
from readers.mistake import Mistake, MistakeError
from readers.systemd.switching import Switched, switched
from readers.systemd.unit import FOLDERS, Unit, units
from readers.traefik.dynamic import FileError, Router, Static, not_understood, read

FILE = "host:index:File"
"""Type of a file on the host."""
COMMAND = "command:remote:Command"
"""Type of a command on the host."""
MAILBOX = "mailcow:index:Mailbox"
ALIAS = "mailcow:index:Alias"
DOMAIN = "mailcow:index:Domain"
SYNC_JOB = "mailcow:index:SyncJob"
SECRET = "host:index:Secret"  # noqa: S105 - a type
CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"

OVERRIDE = "docker-compose.override.yml"
"""What is merged over the release's compose file."""
RELEASE_IMAGE = "release"
"""What stands for the image of the release, which a declaration does not know."""

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class HostFile:
    """A file on the host.

    Attributes:
        resource: Resource that writes it.
        path: Absolute path.
        text: Content; None while it is not known.
        mode: Octal mode, such as 0644.
    """

    resource: Resource
    path: str
    text: str | None
    mode: int


@dataclass(frozen=True)
class Address:
    """An address that Mailcow serves: a mailbox or an alias."""

    resource: Resource
    address: str
    goto: tuple[str, ...] = ()
    quota_mib: int = 0

    @property
    def is_mailbox(self) -> bool:
        """Whether mail stays here."""
        return self.resource.type == MAILBOX


@dataclass(frozen=True)
class Routes:
    """What Traefik makes of its dynamic files.

    Attributes:
        routers: Those that stand, the one that is asked first coming first.
        faults: What Traefik does not take over, or what nobody here can tell of.
        resource: Resource that writes the first of the files.
    """

    routers: tuple[Router, ...] = ()
    faults: tuple[str, ...] = ()
    resource: Resource | None = None


@dataclass(frozen=True)
class Composed:
    """What Compose makes of the override, over a release that sets nothing but an image.

    Attributes:
        project: The merged files; None where there is no override, or none that can be read.
        mistake: What Compose refuses.
    """

    project: compose.Project | None = None
    mistake: Mistake | None = None

    @property
    def services(self) -> list[compose.Service]:
        """The services that are merged."""
        return list(self.project.services.values()) if self.project else []


@dataclass(eq=False)
class Stack:
    """A declaration and the resources that a program made of it.

    Attributes:
        declaration: The declaration.
        resources: Every resource, in the order of registration.
        today: The day to judge dates by.
        snapshot: SPF records of other domains.
        previous: Resources as the state holds them, before this deployment; None where no state
            is at hand.
        evidence: What operations have found out about it, by subject (`declaration.evidence`).
        met: Unknown properties that were asked for, with the resource.
    """

    declaration: Declaration
    resources: Sequence[Resource]
    today: date
    snapshot: Snapshot
    previous: Sequence[Resource] | None = None
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    met: list[tuple[Resource, str]] = field(default_factory=list)
    _known: dict[str, tuple[Any, list[tuple[Resource, str]]]] = field(default_factory=dict)

    def watched(self) -> "Stack":
        """Return the same stack with a list of its own of what was met unknown."""
        return Stack(
            self.declaration, self.resources, self.today, self.snapshot,
            self.previous, self.evidence, [], self._known,
        )  # fmt: skip

    def once(self, key: str, build: "Callable[[Stack], _T]") -> _T:
        """Work something out once for all rules; whoever asks has met what it met unknown."""
        if key not in self._known:
            watch = self.watched()
            self._known[key] = (build(watch), watch.met)
        value, met = self._known[key]
        self.met.extend(met)
        return cast("_T", value)

    # Resources

    def of_type(self, *types: str) -> list[Resource]:
        """Return the resources of some types."""
        by_type = self.once("types", lambda stack: _grouped(stack.resources))
        return [item for kind in types for item in by_type.get(kind, ())]

    def named(self, name: str, *types: str) -> Resource | None:
        """Return the resource of a name, of one of the types if any are given."""
        found = (resource for resource in self.resources if resource.name == name)
        return next((item for item in found if not types or item.type in types), None)

    def providers(self, package: str) -> list[Resource]:
        """Return the configured providers of a package."""
        return self.of_type(f"pulumi:providers:{package}")

    def get(self, resource: Resource, *path: str) -> Any:
        """Return a property, opened; None where it is missing or unknown.

        What is unknown, at any depth, is noted.
        """
        value: Any = resource.properties if resource.known else UNKNOWN
        for step in path:
            value = value.value if isinstance(value, Secret) else value
            value = value.get(step) if isinstance(value, Mapping) else value
            if value is None or value is UNKNOWN:
                break
        if _has_unknown(value):
            self.met.append((resource, ".".join(path)))
            return None
        return opened(value)

    def text(self, resource: Resource, *path: str) -> str:
        """Return a property as text, empty where it is missing or unknown."""
        value = self.get(resource, *path)
        return "" if value is None else str(value)

    def properties(self, resource: Resource) -> Mapping[str, Any]:
        """Return all properties, sealed as they are; none of a resource that is not known yet.

        Such a resource is noted.
        """
        if not resource.known:
            self.met.append((resource, "everything"))
        return resource.properties

    def sealed(self, resource: Resource, *path: str) -> bool:
        """Tell whether a property, or one in which it lies, is secret.

        What is unknown, and not said to be secret, is noted.
        """
        value: Any = resource.properties if resource.known else UNKNOWN
        for step in path:
            if isinstance(value, Secret) or value is UNKNOWN:
                break
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is UNKNOWN:
            self.met.append((resource, ".".join(path)))
        return isinstance(value, Secret)

    @property
    def names(self) -> Names:
        """What follows from the declaration."""
        return self.once("names", lambda stack: stack.declaration.names)

    # The zone

    @property
    def zone(self) -> Zone:
        """The records that are published."""
        return self.once("zone", _zone)

    @property
    def declared_records(self) -> tuple[Record, ...]:
        """The records that follow from the declaration."""
        return self.once("declared records", lambda stack: records(stack.declaration))

    @property
    def resolver(self) -> Resolver:
        """Who answers for names: the zone, and for other zones the snapshot."""
        apex = self.declaration.zone.name or self.declaration.domain
        return self.zone.resolver(apex, self.snapshot.records)

    # Files on the host

    @property
    def files(self) -> dict[str, HostFile]:
        """The files on the host by path."""
        return self.once("files", _files)

    def file(self, path: str) -> HostFile | None:
        """Return a file on the host, if the program writes it. Its text may be unknown."""
        found = self.files.get(path)
        if found is not None and found.text is None:
            self.get(found.resource, "content")
        return found

    def mailcow_file(self, path: str) -> HostFile | None:
        """Return a file below the directory of the release."""
        return self.file(f"{self.declaration.mailcow.directory}/{path}")

    def mailcow_resource(self, path: str) -> Resource | None:
        """Return what writes a file below the directory of the release."""
        file = self.mailcow_file(path)
        return file.resource if file else None

    @property
    def mailcow_conf(self) -> dict[str, str]:
        """The settings in `mailcow.conf`; empty while it is not known."""
        file = self.mailcow_file("mailcow.conf")
        try:
            return compose.environment_file(file.text, {}) if file and file.text else {}
        except MistakeError:
            return {}  # `override-limits-alone` says so

    @property
    def postfix(self) -> dict[str, str]:
        """The parameters of `extra.cf` as they take effect; empty while they are not known."""
        file = self.mailcow_file("data/conf/postfix/extra.cf")
        try:
            return postfix.parameters(file.text) if file and file.text else {}
        except MistakeError:
            return {}  # `postfix-as-declared` says so

    @property
    def override(self) -> "Composed":
        """What Compose makes of the override."""
        return self.once("override", _override)

    @property
    def units(self) -> dict[str, Unit]:
        """The units of systemd that are written, by name, with their drop-ins."""
        return self.once("units", _units)

    @property
    def switched(self) -> Switched:
        """What the commands on the host switch on."""
        return self.once("switched", _switched)

    @property
    def routes(self) -> Routes:
        """What Traefik makes of its dynamic files."""
        return self.once("routes", _routes)

    def traefik_http(self) -> dict[str, dict[str, Any]]:
        """Return routers, services and serversTransports of Traefik's dynamic files as written."""
        merged: dict[str, dict[str, Any]] = {}
        for path in self.traefik_files():
            for kind, entries in _mapping(_mapping(self.yaml(path)).get("http")).items():
                merged.setdefault(kind, {}).update(_mapping(entries))
        return merged

    def traefik_files(self) -> list[str]:
        """Return the paths of Traefik's dynamic files."""
        folder = f"{self.declaration.traefik.dynamic_directory}/"
        return [path for path in self.files if path.startswith(folder)]

    def yaml(self, path: str) -> Any:
        """Return a YAML file on the host as a value; None where there is none, or none that is."""
        file = self.file(path)
        try:
            return document(file.text) if file and file.text else None
        except MistakeError:
            return None

    def json(self, path: str) -> dict[str, Any]:
        """Return a JSON file on the host as a mapping; empty where there is none."""
        file = self.file(path)
        try:
            return _mapping(json.loads(file.text)) if file and file.text else {}
        except ValueError:
            return {}

    def releases(self) -> Iterator[tuple[Resource, dict[str, list[str]]]]:
        """Yield the commands that bring the release, each with its options."""
        for resource, text in self.commands():
            if "/release.py" not in text:
                continue
            words = shlex.split(text, comments=True)
            options: dict[str, list[str]] = {}
            for index, word in enumerate(words[:-1]):
                if word.startswith("--"):
                    options.setdefault(word, []).append(words[index + 1])
            yield resource, options

    def starts(self) -> list[Resource]:
        """Return the commands that start the containers."""
        up = re.compile(r"/stack\.py\S* up\b")
        return [one for one, text in self.commands() if up.search(text)]

    def commands(self) -> list[tuple[Resource, str]]:
        """Return the commands on the host with the shell text that they first run."""
        return [(resource, self.text(resource, "create")) for resource in self.of_type(COMMAND)]

    # People

    @property
    def addresses(self) -> list[Address]:
        """The mailboxes and aliases, mailboxes first."""
        return self.once("addresses", _addresses)

    @property
    def served(self) -> dict[str, Address]:
        """The mailboxes and aliases by address."""
        return self.once(
            "served", lambda stack: {address.address: address for address in stack.addresses}
        )

    def reaches_mailbox(self, address: str) -> bool:
        """Tell whether mail to an address ends in a mailbox of this stack."""
        local, _, domain = address.lower().partition("@")
        waiting, seen = [f"{untagged(local)}@{domain}"], set[str]()
        while waiting:
            one = waiting.pop()
            found = self.served.get(one)
            if found is None or one in seen:
                continue
            if found.is_mailbox:
                return True
            seen.add(one)
            waiting += found.goto
        return False

    # Dependencies

    def waits_for(self, later: Resource, earlier: Resource) -> bool:
        """Tell whether one resource waits for another, directly or over others."""
        by_urn = self.once(
            "urns", lambda stack: {resource.urn: resource for resource in stack.resources}
        )
        waiting, seen = [later.urn], set[str]()
        while waiting:
            found = by_urn.get(waiting.pop())
            for before in found.dependencies if found else ():
                if before == earlier.urn:
                    return True
                if before not in seen:
                    seen.add(before)
                    waiting.append(before)
        return False


def _grouped(resources: Sequence[Resource]) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for resource in resources:
        found.setdefault(resource.type, []).append(resource)
    return found


def _has_unknown(value: Any) -> bool:
    if value is UNKNOWN:
        return True
    if isinstance(value, Secret):
        return _has_unknown(value.value)
    if isinstance(value, Mapping):
        return any(_has_unknown(text) for text in value.values())
    return isinstance(value, list | tuple) and any(_has_unknown(item) for item in value)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_RECORD_PROPERTIES = ("name", "type", "data", "priority", "proxied")


def _zone(stack: Stack) -> Zone:
    records = []
    for resource in stack.of_type(DNS_RECORD):
        properties = {key: stack.get(resource, key) for key in _RECORD_PROPERTIES}
        if not properties["data"]:
            # With data, content is what the provider makes of it, and a preview does not know it.
            properties["content"] = stack.get(resource, "content")
        records.append(record_of(resource, properties))
    return Zone(records)


def _files(stack: Stack) -> dict[str, HostFile]:
    found = {}
    for resource in stack.of_type(FILE):
        path = stack.text(resource, "path")
        # Whoever asks for the file meets its unknown text, not everybody who asks for another.
        text = stack.watched().get(resource, "content")
        mode = stack.text(resource, "mode") or "0644"
        octal = int(mode, 8) if re.fullmatch("[0-7]{3,4}", mode) else 0o777
        if path:
            found[path] = HostFile(resource, path, None if text is None else str(text), octal)
    return found


def _routes(stack: Stack) -> Routes:
    paths = sorted(stack.traefik_files())
    if not paths:
        return Routes()
    resource = stack.files[paths[0]].resource
    texts = {
        PurePosixPath(path): file.text
        for path in paths
        if (file := stack.file(path)) is not None and file.text is not None
    }
    yamls = {path: text for path, text in texts.items() if path.suffix in (".yml", ".yaml")}
    traefik = stack.declaration.traefik
    faults = [f"{path.name} is not read here" for path in texts if path.suffix == ".toml"]
    try:
        static = Static(traefik.entry_point, traefik.certificate_resolver)
        routers = read(yamls, static, faults.append)
        faults += [str(mistake) for mistake in not_understood(yamls)]
    except FileError as error:
        return Routes((), (*faults, str(error)), resource)
    return Routes(tuple(routers), tuple(faults), resource)


def _override(stack: Stack) -> Composed:
    file, conf = stack.mailcow_file(OVERRIDE), stack.mailcow_file("mailcow.conf")
    if file is None or file.text is None or (conf is not None and conf.text is None):
        return Composed()
    declared = stack.declaration.mailcow.services
    release = {"services": {name: {"image": RELEASE_IMAGE} for name in declared}}
    texts = {"docker-compose.yml": json.dumps(release), OVERRIDE: file.text}
    try:
        variables = compose.environment_file(conf.text or "", {}, "mailcow.conf") if conf else {}
        return Composed(compose.read(texts, variables))
    except MistakeError as error:
        return Composed(None, error.mistake)


def _units(stack: Stack) -> dict[str, Unit]:
    texts = {}
    for path in stack.files:
        if path.startswith(FOLDERS):
            file = stack.file(path)
            if file is not None and file.text is not None:
                texts[path] = file.text
    return units(texts)


def _switched(stack: Stack) -> Switched:
    return switched((resource.name, text) for resource, text in stack.commands())


def _addresses(stack: Stack) -> list[Address]:
    found = []
    for resource in stack.of_type(MAILBOX):
        address = f"{stack.text(resource, 'localPart')}@{stack.text(resource, 'domain')}".lower()
        quota = stack.get(resource, "quota")
        found.append(Address(resource, address, (), int(quota) if quota is not None else 0))
    for resource in stack.of_type(ALIAS):
        goto = stack.get(resource, "goto")
        goto = goto.split(",") if isinstance(goto, str) else goto or []
        targets = tuple(str(target).strip().lower() for target in goto)
        found.append(Address(resource, stack.text(resource, "address").lower(), targets))
    return found
