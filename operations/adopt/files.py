"""The host: files and generated secrets, known again by their paths."""

import difflib
import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from declaration.commands import at
from declaration.names import BASE, PROJECT
from operations.adopt.comparing import compared
from operations.adopt.model import (
    Area,
    Difference,
    Match,
    Stranger,
    Supplied,
    Wanted,
    is_hidden,
)
from operations.site import Site
from rehearsal.engine.values import Sealed

FILE, SECRET = "host:index:File", "host:index:Secret"
IN_CONF = {
    "database": "DBPASS",
    "database-root": "DBROOT",
    "redis": "REDISPASS",
    "sogo-url-key": "SOGO_URL_ENCRYPTION_KEY",
    "dovecot-master": "DOVECOT_MASTER_PASS",
    "api-key": "API_KEY",
    "api-key-read-only": "API_KEY_READ_ONLY",
}
"""Where a Mailcow that runs already keeps each of the secrets, by the file's name here."""
_READABLE_BY_ALL = 0o004
_OWNER_ALONE = 0o600
_UNIT = re.compile(rf"{PROJECT}-[\w-]+\.(?:service|timer)")


@dataclass(frozen=True)
class OnHost:
    """What lies on the host.

    Attributes:
        files: Content and permission bits by path, of what is declared.
        conf: Settings of the `mailcow.conf` that is there; shown nowhere.
        around: Other files in the folders that are ours.
        routing: Other files of Traefik's that name a declared host, by path.
    """

    files: Mapping[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)
    conf: Mapping[str, str] = field(default_factory=dict, repr=False)
    around: Sequence[str] = ()
    routing: Mapping[str, str] = field(default_factory=dict)


def match_files(wanted: Sequence[Wanted], host: OnHost, conf_path: str) -> Area:
    """Match declared files and secrets with those of the host, path by path."""
    area = Area("host")
    for resource in wanted:
        path = resource.text("path")
        found = host.files.get(path)
        if found is None:
            area.missing.append(resource)
            if resource.type == SECRET:
                area.warnings += _seeding(resource, path, host.conf, conf_path)
        else:
            area.matches.append(_match(resource, path, *found))
    area.strangers += [Stranger("file", path, "nothing declared writes it") for path in host.around]
    area.strangers += [
        Stranger("route", path, f"it routes {name} as well: two routers of one host contend")
        for path, name in host.routing.items()
    ]
    return area


def _seeding(one: Wanted, path: str, conf: Mapping[str, str], conf_path: str) -> list[str]:
    """Return how a secret that a running Mailcow uses gets to where it is looked for."""
    setting = IN_CONF.get(path.rpartition("/")[2])
    if setting is None or not conf.get(setting):
        return []
    copy = (
        f"umask 077; mkdir -p {path.rpartition('/')[0]}; "
        f"sed -n 's/^{setting}=//p' {conf_path} | tr -d '\\n' > {path}"
    )
    danger = (
        f"{one.name}: {setting} is set in {conf_path}, but {path} is not there. A deployment would "
        f"make another one, and Mailcow would be locked out. On the host, first:"
    )
    return [f"{danger}\n{copy}"]


def _secret(one: Wanted, path: str, content: bytes, mode: int) -> Match:
    """Match a generated secret. How it was generated is no property of it; its value stays."""
    value = content.decode(errors="replace").rstrip("\n")
    generation = one.inputs.get("generation", 1)
    supplied = None
    if generation != 1:
        # A provider that reads takes it for the first, and would make another one.
        inputs = {**one.inputs, "length": len(value)}
        condition = "kept" if mode == _OWNER_ALONE else "exposed"
        outputs = {**inputs, "value": Sealed(value), "condition": condition}
        supplied = Supplied(inputs, outputs, f"its generation, {generation}, is noted as declared")
    unread = {}
    if mode != _OWNER_ALONE:
        unread = {"mode": f"{mode:04o} is too open; the next deployment makes it 0600"}
    return compared(
        one,
        path,
        {"path": path, "length": len(value)},
        ignored=("alphabet", "generation"),
        replacing=("path",),
        unreadable=unread,
        supplied=supplied,
    )


def _match(one: Wanted, path: str, content: bytes, mode: int) -> Match:
    if one.type == SECRET:
        return _secret(one, path, content, mode)
    text = content.decode(errors="backslashreplace")
    live = {"path": path, "content": text, "mode": f"{mode:04o}"}
    supplied = None
    group = one.inputs.get("group")
    if is_hidden(one.inputs.get("content")) and (mode & _READABLE_BY_ALL or group):
        # The provider takes what all may read for no secret, and asks for no group that it was
        # not told of; the declaration knows better.
        live |= {"group": str(group)} if group else {}
        supplied = Supplied(
            {**live, "content": Sealed(text)},
            {
                **live,
                "content": Sealed(text),
                "sha256": Sealed(hashlib.sha256(content).hexdigest()),
                "revision": hashlib.sha256(content).hexdigest()[:16],
            },
            "its group is noted as declared; a refresh reads it"
            if group
            else "its content is declared secret, though all may read the file",
        )
    match = compared(one, path, live, canonical=_canonical, replacing=("path",), supplied=supplied)
    shown = bool(mode & _READABLE_BY_ALL)
    return replace(match, differences=tuple(_in_lines(d, shown=shown) for d in match.differences))


def _in_lines(difference: Difference, *, shown: bool) -> Difference:
    """Return a difference of contents as the lines that differ; what few may read is not shown."""
    if difference.path != "content" or difference.secret:
        return difference
    if not shown:
        return replace(difference, live=None, declared=None, secret=True)
    before, after = str(difference.live).splitlines(), str(difference.declared).splitlines()
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    return replace(
        difference,
        live=f"{len(before)} lines",
        declared=f"{len(after)} lines",
        lines=tuple(changed),
    )


def _canonical(key: str, value: Any) -> Any:
    return value.removeprefix("0o").zfill(4) if key == "mode" and isinstance(value, str) else value


def conf_settings(text: str) -> dict[str, str]:
    """Return the settings of a `mailcow.conf`."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


async def look(site: Site, wanted: Sequence[Wanted]) -> Area:
    """Read the host's files and match them."""
    ours = [resource for resource in wanted if resource.type in {FILE, SECRET}]
    paths = [mine.text("path") for mine in ours if mine.text("path")]
    conf_path = f"{site.declaration.mailcow.directory}/mailcow.conf"
    modes = await _modes(site, paths)
    files = {path: (await site.host.read(path), mode) for path, mode in modes.items()}
    try:
        conf = conf_settings((await site.host.read(conf_path)).decode(errors="replace"))
    except FileNotFoundError:
        conf = {}
    host = OnHost(files, conf, await _around(site, paths), await _routing(site, paths))
    return match_files(ours, host, conf_path)


async def _modes(site: Site, paths: Sequence[str]) -> dict[str, int]:
    """Return the permission bits of those files that are there."""
    words = " ".join(shlex.quote(path) for path in paths)
    command = (
        f"for path in {words}; do "
        'if [ -f "${DESTDIR:-}$path" ]; then '
        'printf "%s %s\\n" "$(stat -c %a "${DESTDIR:-}$path")" "$path"; fi; done'
    )
    done = await site.host.run(command, what="look at the declared files")
    found = (line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    return {path: int(mode, 8) for mode, path in found}


async def _around(site: Site, paths: Sequence[str]) -> list[str]:
    """Return files beside ours that look like ours: programs, secrets, units."""
    folders = f"{at(f'{BASE}/bin')} {at(f'{BASE}/secrets')} {at('/etc/systemd/system')}"
    command = f'for folder in {folders}; do for file in "$folder"/*; do if [ -f "$file" ]; then '
    command += 'printf "%s\\n" "${file#"${DESTDIR:-}"}"; fi; done; done'
    done = await site.host.run(command, what="look beside the declared files")
    return [
        path
        for path in done.stdout.splitlines()
        if path not in paths and (path.startswith(BASE) or _UNIT.fullmatch(path.rpartition("/")[2]))
    ]


async def _routing(site: Site, paths: Sequence[str]) -> dict[str, str]:
    """Return Traefik's other dynamic files that name one of the declared web hosts."""
    folder = next((path.rpartition("/")[0] for path in paths if "/traefik/" in path), "")
    if not folder:
        return {}
    found: dict[str, str] = {}
    for name in site.declaration.names.web_hosts:
        search = f"grep -rlF -- {shlex.quote(f'`{name}`')} {at(folder)} || true"
        bare = 'while read -r file; do printf "%s\\n" "${file#"${DESTDIR:-}"}"; done'
        done = await site.host.run(f"{{ {search}; }} | {bare}", what="look at Traefik's files")
        found |= {path: name for path in done.stdout.splitlines() if path not in paths}
    return found
