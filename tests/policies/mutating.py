"""Systematic mistakes: everything that is deployed is dropped, doubled, changed or led elsewhere.

`mutations.py` lists mistakes that somebody thought of, with the rule that catches each. Here nobody
thinks: every part of every artefact is changed in the ways of its language, one at a time.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from policies import Resource, Secret
from policies.model import opened
from policies.stack import COMMAND, FILE, Stack
from tests.policies.planting import Mistake, added, changed, without

STRANGERS: dict[str, dict[str, Any]] = {
    "mailcow:index:Mailbox": {"localPart": "spy", "domain": "DOMAIN", "quota": 1024.0},
    "mailcow:index:Alias": {"address": "spy@DOMAIN", "goto": ["info@DOMAIN"]},
    "mailcow:index:Domain": {"domain": "stranger.example", "quota": 1024.0},
    "mailcow:index:DomainAdmin": {"username": "spy", "domains": ["DOMAIN"]},
    "mailcow:index:AppPassword": {"mailbox": "info@DOMAIN", "appName": "spy"},
    "mailcow:index:SyncJob": {"username": "info@DOMAIN", "host1": "imap.stranger.example"},
    "mailcow:index:DkimKey": {"domain": "DOMAIN", "dkimSelector": "spy"},
    "mailcow:index:Relayhost": {"hostname": "[smtp.stranger.example]:587", "username": "spy"},
    "mailcow:index:Transport": {"destination": "example.org", "nexthop": "[stranger.example]"},
    "mailcow:index:Unheard": {"anything": "at all"},
    "minio:index/iamUser:IamUser": {"name": "spy"},
    "minio:index/iamGroup:IamGroup": {"name": "spies"},
    "minio:index/iamGroupMembership:IamGroupMembership": {"group": "spies", "users": ["spy"]},
    "minio:index/iamGroupPolicyAttachment:IamGroupPolicyAttachment": {
        "groupName": "spies", "policyName": "po-mail-backup",
    },
    "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment": {
        "userName": "spy", "policyName": "po-mail-backup",
    },
    "minio:index/s3Bucket:S3Bucket": {"bucket": "spy", "acl": "private"},
    "minio:index/s3BucketReplication:S3BucketReplication": {"bucket": "po-mail-backups"},
    "minio:index/s3BucketNotification:S3BucketNotification": {"bucket": "po-mail-backups"},
    "minio:index/s3Object:S3Object": {"bucketName": "po-mail-backups", "objectName": "config"},
    "minio:index/ilmPolicy:IlmPolicy": {
        "bucket": "po-mail-backups", "rules": [{"id": "x", "noncurrentVersionExpirationDays": 1.0}],
    },
    "docker:index/container:Container": {"name": "spy", "image": f"sha256:{'0' * 64}"},
    "docker:index/network:Network": {"name": "spy"},
    "docker:index/volume:Volume": {"name": "spy"},
    "command:local:Command": {"create": "true"},
    "command:remote:CopyToRemote": {"remotePath": "/etc/profile.d/spy.sh"},
    "command:remote:Command": {"create": "true"},
    "host:index:File": {"path": "/etc/profile.d/spy.sh", "content": "true\n", "mode": "0755"},
    "host:index:Secret": {"path": "/opt/po-mail/secrets/spy", "length": 8.0},
    "cloudflare:index/workersRoute:WorkersRoute": {"pattern": "webmail.DOMAIN/*"},
    "cloudflare:index/ruleset:Ruleset": {"name": "spy", "kind": "zone"},
    "pulumi:providers:aws": {"region": "us-east-1"},
}  # fmt: skip
"""One resource of each type that somebody might add, as nobody declared it."""

_ELSEWHERE = "elsewhere.example"
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_BY_LINES = ("nftables.nft", "smarthost_passwd", "smarthost_tls_policy", "mta-sts.txt")


@dataclass(frozen=True)
class Mutation:
    """One change of what is deployed.

    Attributes:
        place: Resource and the part of it, such as `mailcow-conf: SQL_PORT`.
        what: What was done to it, such as `drop`.
        plant: The change.
    """

    place: str
    what: str
    plant: Mistake

    def __str__(self) -> str:
        return f"{self.place} ({self.what})"


def mutations(stack: Stack) -> Iterator[Mutation]:
    """Yield every mutation of a stack, always in the same order."""
    for kind, properties in STRANGERS.items():
        text = json.dumps(properties).replace("DOMAIN", stack.declaration.domain)
        name = f"stranger-{kind.rpartition(':')[2].lower()}"
        yield Mutation(name, "add", added(kind, name, **json.loads(text)))
    for resource in stack.resources:
        if not resource.type.startswith("mail:components:"):
            yield from _of(resource)


def _of(resource: Resource) -> Iterator[Mutation]:
    name, kind = resource.name, resource.type
    yield Mutation(name, "drop", without(name, kind=kind))
    if not resource.is_provider:
        yield Mutation(name, "double", added(kind, f"{name}-again", **resource.properties))
    for key, value in resource.properties.items():
        if kind == FILE and key == "content":
            yield from _of_file(resource)
        elif kind == COMMAND and key in ("create", "update", "delete"):
            yield from _of_script(resource, key)
        elif key not in ("connection", "comment"):
            sealed = isinstance(value, Secret)
            for path, what, other in _of_value(opened(value)):
                place = ".".join((f"{name}: {key}", *map(str, path)))
                fresh = Secret(other) if sealed and other is not None else other
                yield Mutation(place, what, changed(name, fresh, key, kind=kind))


def _of_value(value: Any) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """Yield what a value may become: where it was changed, how, and the whole anew."""
    yield (), "drop", None
    yield from _changes(value)


def _changes(value: Any) -> Iterator[tuple[tuple[Any, ...], str, Any]]:  # noqa: C901 - by type
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield (key,), "drop", {name: each for name, each in value.items() if name != key}
            for path, what, other in _changes(part):
                yield (key, *path), what, {**value, key: other}
        yield (), "add", {**value, "unheard": "of"}
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield (index,), "drop", [*value[:index], *value[index + 1 :]]
            yield (index,), "double", [*value[: index + 1], part, *value[index + 1 :]]
            for _, _, other in [*_changes(part)][-1:]:
                yield (index,), "add", [*value[: index + 1], other, *value[index + 1 :]]
            for path, what, other in _changes(part):
                yield (index, *path), what, [*value[:index], other, *value[index + 1 :]]
        if all(isinstance(part, str) for part in value):
            yield (), "add", [*value, _ELSEWHERE]
    elif isinstance(value, bool):
        yield (), "switch", not value
    elif isinstance(value, int | float):
        yield (), "nothing", type(value)(0)
        yield (), "widen", value * 100 or type(value)(7)
    elif isinstance(value, str):
        yield (), "empty", ""
        yield (), "elsewhere", _led_elsewhere(value)


def _led_elsewhere(text: str) -> str:
    for number in re.findall(r"\d+", text) if not _ADDRESS.search(text) else ():
        return text.replace(number, str(int(number) * 7 + 13), 1)
    if _ADDRESS.search(text):
        return _ADDRESS.sub("198.51.100.9", text)
    if re.search(r"[a-z]\.[a-z]", text):
        return re.sub(r"[\w-]+(?:\.[\w-]+)*\.[a-z]+", _ELSEWHERE, text, count=1)
    return f"{text}x" if text else _ELSEWHERE


# Texts, by language


def _of_file(resource: Resource) -> Iterator[Mutation]:
    path = str(opened(resource.properties["path"]))
    text = str(opened(resource.properties["content"]))
    sealed = isinstance(resource.properties["content"], Secret)
    if path.endswith(".py"):
        return  # programs of the house: their own tests judge them
    for place, what, other in _texts(path, text):
        content = Secret(other) if sealed else other
        yield Mutation(
            f"{resource.name}: {place}", what, changed(resource.name, content, "content", kind=FILE)
        )


def _texts(path: str, text: str) -> Iterator[tuple[str, str, str]]:
    yield "whole", "empty", ""
    yield "whole", "no such language", "{[ no file of any kind"
    if "/dashboards/" in path:
        return  # it shows and decides nothing; `make dashboard` draws it
    if path.endswith((".yml", ".yaml")):
        yield from _trees(yaml.safe_load(text), lambda tree: yaml.safe_dump(tree, sort_keys=False))
    elif path.endswith(".json"):
        yield from _trees(json.loads(text), lambda tree: json.dumps(tree, indent=2))
    elif path.rpartition("/")[2] in _BY_LINES:
        yield from _by_lines(text.splitlines())
    else:
        yield from _by_settings(text.splitlines())


def _trees(tree: Any, dump: Callable[[Any], str]) -> Iterator[tuple[str, str, str]]:
    for path, what, other in _changes(tree):
        yield ".".join(map(str, path)), what, dump(other)


def _written(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _by_lines(lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for index, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        before, behind, place = (
            lines[:index],
            lines[index + 1 :],
            f"line {index + 1}: {line.strip()}",
        )
        yield place, "drop", _written([*before, *behind])
        yield place, "double", _written([*before, line, line, *behind])
        yield place, "elsewhere", _written([*before, _led_elsewhere(line), *behind])
        if behind:
            yield place, "swap", _written([*before, behind[0], line, *behind[1:]])


def _by_settings(lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for index, line in enumerate(lines):
        name, equals, value = line.partition("=")
        if not equals or line.lstrip().startswith("#"):
            continue
        before, behind, place = lines[:index], lines[index + 1 :], name.strip()
        other = f"{name}={_other_setting(value)}"
        yield place, "drop", _written([*before, *behind])
        yield place, "elsewhere", _written([*before, other, *behind])
        yield place, "empty", _written([*before, f"{name}=", *behind])
        yield place, "override", _written([*before, line, other, *behind])
    yield "whole", "add", _written([*lines, "UNHEARD=of"])


def _other_setting(value: str) -> str:
    switches = {"y": "n", "n": "y", "yes": "no", "no": "yes", "true": "false", "false": "true"}
    blank = value[: len(value) - len(value.lstrip())]
    bare = value.strip()
    return blank + switches.get(bare, _led_elsewhere(bare))


def _of_script(resource: Resource, key: str) -> Iterator[Mutation]:
    """Change the words of a command on the host: options go, or are given another value."""
    text = str(opened(resource.properties[key]))
    options = re.finditer(r"--[a-z-]+(?: [^\s;&-][^\s;&]*)?", text)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    changes = [(line, "drop", text.replace(line + "\n", "", 1)) for line in lines[1:]]
    for option in options:
        head, tail = text[: option.start()], text[option.end() :]
        changes.append((option[0], "drop", head + tail))
        word, blank, value = option[0].partition(" ")
        if blank:
            changes.append((option[0], "elsewhere", f"{head}{word} {_led_elsewhere(value)}{tail}"))
    for part, what, other in changes:
        place = f"{resource.name}: {key}: {part[:60]}"
        yield Mutation(place, what, changed(resource.name, other, key, kind=COMMAND))
