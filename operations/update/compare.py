"""What changes between two releases, from their files alone; nothing here touches a host."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from operations.update.notes import Note, between, said
from operations.update.releases import UpdateError
from operations.update.relied import Touched, touched
from readers import compose
from readers.mistake import MistakeError

COMPOSE = "docker-compose.yml"
OPTIONS = "_modules/scripts/new_options.sh"
GENERATOR = "generate_config.sh"
SCHEMA = "data/web/inc/init_db.inc.php"

READ = (COMPOSE, OPTIONS, GENERATOR, SCHEMA)
"""Files of a release that are compared by what they say."""

ONE_WAY = {
    "mysql-mailcow": "an older MariaDB does not start on the files of a newer one",
    "redis-mailcow": "an older Redis does not read the file of a newer one, which holds DKIM keys",
}
"""Services whose data an older version cannot read, with the consequence."""

_ARRAY = re.compile(r"CONFIG_ARRAY=\((.*?)\)", re.DOTALL)
_GENERATED = re.compile(r"cat << EOF > mailcow\.conf\n(.*?)\nEOF", re.DOTALL)
_OPTION = re.compile(r"(?m)^#?([A-Z][A-Z0-9_]+)=")
_VERSION = re.compile(r'\$db_version\s*=\s*"([^"]+)"')


@dataclass(frozen=True)
class Source:
    """One release, as far as it is compared.

    Attributes:
        tag: Its tag.
        commit: Its commit.
        texts: Contents of the files in `READ`, empty where one is not there.
        names: Paths of all its files.
    """

    tag: str
    commit: str
    texts: Mapping[str, str]
    names: frozenset[str] = frozenset()

    def compose(self, settings: Mapping[str, str]) -> compose.Project:
        """Return what its compose file makes of our settings.

        Raises:
            UpdateError: it cannot be read.
        """
        try:
            return compose.read({COMPOSE: self.texts[COMPOSE]}, settings)
        except KeyError:
            raise UpdateError(f"{COMPOSE} of {self.tag} cannot be read: it is not there") from None
        except MistakeError as error:
            raise UpdateError(f"{COMPOSE} of {self.tag} cannot be read: {error}") from None

    def options(self) -> set[str]:
        """Return the options of `mailcow.conf` that it knows."""
        array = _ARRAY.search(self.texts.get(OPTIONS, ""))
        generated = _GENERATED.search(self.texts.get(GENERATOR, ""))
        found = set(re.findall(r'"([A-Z][A-Za-z0-9_]+)"', array[1])) if array else set()
        return found | (set(_OPTION.findall(generated[1])) if generated else set())

    def variables(self) -> dict[str, set[str]]:
        """Return the variables of its compose file with their defaults; "" where it has none.

        A default is written as in the file: `:-n`.
        """
        return compose.variables(self.texts[COMPOSE])

    def schema(self) -> str:
        """Return the version of the database's schema, empty if it does not say."""
        match = _VERSION.search(self.texts.get(SCHEMA, ""))
        return match[1] if match else ""


@dataclass(frozen=True)
class Change:
    """Something that one release has and the other has not, or has otherwise.

    Attributes:
        name: What.
        before: How the pinned release has it; empty if it has not.
        after: How the next one has it; empty if it has not.
        remark: What that means here.
    """

    name: str
    before: str = ""
    after: str = ""
    remark: str = ""

    @property
    def sign(self) -> str:
        """Return `+`, `-` or `~`."""
        return "+" if not self.before else "-" if not self.after else "~"


@dataclass(frozen=True)
class Ours:
    """What is declared and written here, as far as a release matters to it.

    Attributes:
        settings: Options that are written to `mailcow.conf`, secret values left empty.
        files: Our files below the directory of the release.
        tiers: Tier of each service.
        stored_volumes: Volumes in the backup.
    """

    settings: Mapping[str, str]
    files: frozenset[str]
    tiers: Mapping[str, str]
    stored_volumes: frozenset[str]


@dataclass(frozen=True)
class Differences:
    """Everything that changes, and what stands in the way.

    Attributes:
        pinned: Release that is declared.
        target: Release that is looked at.
        commit: Commit of the target, to be declared with it.
        services: Containers and their images.
        options: Options of `mailcow.conf`.
        ports: Published ports, by service and port of the container.
        volumes: Named volumes.
        files: Files that matter here.
        schema: Version of the database's schema before and after, if it changes.
        notes: What is known to break, and what commits say of themselves.
        commits: How many commits lie in between.
        tierless: Services without a tier: the declaration refuses them.
        dropped: Services with a tier that the next release does not have.
        one_way: Services whose data the pinned release could not read again, with the reason.
        blockers: What makes the upgrade impossible as things stand, with what to do.
    """

    pinned: str
    target: str
    commit: str
    services: tuple[Change, ...]
    options: tuple[Change, ...]
    ports: tuple[Change, ...]
    volumes: tuple[Change, ...]
    files: tuple[Touched, ...]
    schema: tuple[str, str] | None
    notes: tuple[Note, ...]
    commits: int
    tierless: tuple[str, ...]
    dropped: tuple[str, ...]
    one_way: Mapping[str, str]
    blockers: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"one_way": dict(self.one_way)}


def _pairs(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    return [
        Change(name, before.get(name, ""), after.get(name, ""))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _images(project: compose.Project) -> dict[str, str]:
    return {name: service.image for name, service in project.services.items()}


def _volume_names(project: compose.Project) -> set[str]:
    return set(compose.deep(project.whole, "volumes"))


def ports_of(project: compose.Project) -> dict[str, str]:
    """Return where each port of a container is published: `address:port`, `*` for any address."""
    return {
        f"{name} {port.target}": f"{port.address or '*'}:{port.published}"
        for name, service in project.services.items()
        for port in service.ports
    }


def _ports(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    return [
        Change(
            pair.name, pair.before, pair.after,
            "open to anyone: the firewall and the policies must know it"
            if pair.after.startswith(("*:", "0.0.0.0:")) else "",
        )
        for pair in _pairs(before, after)
    ]  # fmt: skip


def _options(pinned: Source, target: Source, ours: Ours) -> list[Change]:
    before, after = pinned.options(), target.options()
    variables = target.variables()
    changes = []
    for name in sorted(after - before):
        defaults = variables.get(name)
        if name in ours.settings:
            remark = "written already"
        elif defaults is None:
            remark = "no container reads it through the compose file; not written here"
        else:
            shown = "/".join(sorted(default.lstrip(":-") for default in defaults)) or "empty"
            remark = f"not written here; its default holds: {shown or 'empty'}"
        changes.append(Change(name, "", "new", remark))
    for name in sorted(before - after):
        written = "still written here, without effect" if name in ours.settings else ""
        changes.append(Change(name, "known", "", written))
    return changes


def _nameless(pinned: Source, target: Source, ours: Ours) -> list[str]:
    """Return variables that are new, have no default and are not written here."""
    known = pinned.variables()
    return sorted(
        name
        for name, defaults in target.variables().items()
        if name not in known and name not in ours.settings and "" in defaults
    )


def _volumes(before: set[str], after: set[str], ours: Ours) -> list[Change]:
    changes = [Change(name, "", "new", "not in the backup: look at what it holds, and add it to "
                      "components/backup.py if it cannot be made anew")
               for name in sorted(after - before - ours.stored_volumes)]  # fmt: skip
    for name in sorted(before - after):
        stored = name in ours.stored_volumes
        remark = "the backup stores it, and would fail without it" if stored else "stays behind"
        changes.append(Change(name, "there", "", remark))
    return changes


def _line(image: str) -> tuple[str, ...]:
    """Return repository, and the version by which data is written: major and minor."""
    repository, _, tag = image.rpartition(":")
    return (repository, *re.findall(r"\d+", tag)[:2])


def _one_way(services: Iterable[Change]) -> dict[str, str]:
    return {
        service.name: f"{service.before} becomes {service.after}: {ONE_WAY[service.name]}"
        for service in services
        if service.name in ONE_WAY and _line(service.before) != _line(service.after)
    }


def _blockers(pinned: Source, target: Source, ours: Ours, *, gone: set[str]) -> list[str]:
    blockers = [
        f"{target.tag} needs {name}, which has no default and is not written to mailcow.conf: "
        "add it in components/mailcow_conf.py"
        for name in _nameless(pinned, target, ours)
    ]
    blockers += [
        f"{name} would be a file of the release, and it is written here: it would be overwritten"
        for name in sorted(ours.files & (target.names - pinned.names))
    ]
    blockers += [
        f"volume {name} is gone in {target.tag}, but components/backup.py stores it"
        for name in sorted(ours.stored_volumes & gone)
    ]
    return blockers


def compare(
    pinned: Source,
    target: Source,
    ours: Ours,
    *,
    changed: Iterable[str],
    history: Iterable[tuple[str, str]],
) -> Differences:
    """Compare two releases.

    Args:
        pinned: Release that is declared.
        target: Release to look at.
        ours: What is declared and written here.
        changed: Paths of the files that differ.
        history: Commit and message of every commit in between.

    Raises:
        UpdateError: a compose file cannot be read.
    """
    before, after = pinned.compose(ours.settings), target.compose(ours.settings)
    services = _pairs(_images(before), _images(after))
    commits = list(history)
    present, declared = set(after.services), set(ours.tiers)
    volumes = _volume_names(before), _volume_names(after)
    schemas = (pinned.schema(), target.schema())
    return Differences(
        pinned=pinned.tag,
        target=target.tag,
        commit=target.commit,
        services=tuple(services),
        options=tuple(_options(pinned, target, ours)),
        ports=tuple(_ports(ports_of(before), ports_of(after))),
        volumes=tuple(_volumes(*volumes, ours)),
        files=tuple(touched(changed)),
        schema=schemas if schemas[0] != schemas[1] else None,
        notes=(*between(pinned.tag, target.tag), *said(commits)),
        commits=len(commits),
        tierless=tuple(sorted(present - declared)),
        dropped=tuple(sorted(declared - present)),
        one_way=_one_way(services),
        blockers=tuple(_blockers(pinned, target, ours, gone=volumes[0] - volumes[1])),
    )
