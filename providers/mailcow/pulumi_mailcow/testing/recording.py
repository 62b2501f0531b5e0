"""Replay what was asked of the genuine API, and compare what is answered.

A recording is one JSON object a line: `scenario`, `step`, `method`, `path` below `/api/v1/`,
`body`, `status`, `content_type`, `answer`. A scenario starts on an empty Mailcow, its steps build
on each other. `method` is GET or POST with the read-write key; `RO` with the read-only key, `BAD`
with a wrong one, `NOKEY` without one; `RAW` a body sent as it stands, declared as JSON, `FORM` the
same, declared as a form; `PAGE` a GET of the MTA-STS policy with `path` as Host. `~` at the end of
a text stands for whatever follows.
"""

import gzip
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from pulumi_mailcow.testing.faults import Fault, Kind
from pulumi_mailcow.testing.server import Mailcow

Step = dict[str, Any]
ABSENT = object()
"""Stands for what one of two answers does not have."""
VOLATILE = frozenset(
    {"created", "modified", "time", "passwd_update", "attribute_hash", "mailbox_format", "pubkey",
     "dkim_txt"}
)  # fmt: skip
"""What differs from one Mailcow to the next."""
HASH = re.compile(r"^(\{[A-Z0-9-]+\}).+$")
BAD_KEY = "00000-00000-00000-00000-00000"
BY_CHANCE = "Cannot open file"
"""With this the genuine API refuses an import of a DKIM key when the worker that gets it has made
another before. Which worker gets it is chance: the stand-in is let take the recorded turn."""


@dataclass(frozen=True)
class Difference:
    """What was answered otherwise than recorded, and where in the answer."""

    where: str
    recorded: Any
    answered: Any

    def __str__(self) -> str:
        return f"{self.where}: recorded {_shown(self.recorded)}, answered {_shown(self.answered)}"


@dataclass
class Result:
    """How a scenario went.

    Attributes:
        agree: How many answers agree.
        of: How many were compared.
        differing: What does not, by step.
    """

    scenario: str
    agree: int = 0
    of: int = 0
    differing: list[tuple[Step, list[Difference]]] = field(default_factory=list)


def read(file: Path) -> list[Step]:
    """Return the steps of a recording, which may be compressed."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


async def replay(steps: Iterable[Step]) -> AsyncIterator[Result]:
    """Replay every scenario, each on a Mailcow of its own."""
    for scenario, group in itertools.groupby(steps, key=lambda step: step["scenario"]):
        result = Result(scenario)
        async with Mailcow() as mailcow, httpx.AsyncClient(timeout=60) as client:
            for step in group:
                if BY_CHANCE in json.dumps(step.get("answer")):
                    mailcow.api.faults.set(Fault(Kind.KEY_ERROR))
                response = await _ask(client, mailcow, step)
                if "answer" not in step:
                    continue
                result.of += 1
                differing = list(_compared(step, response))
                result.agree += not differing
                if differing:
                    result.differing.append((step, differing))
        yield result


async def _ask(client: httpx.AsyncClient, mailcow: Mailcow, step: Step) -> httpx.Response:
    method, path, body = step["method"], step["path"], step["body"]
    keys = {"RO": mailcow.read_only_key, "BAD": BAD_KEY, "NOKEY": None, "PAGE": None}
    key = keys.get(method, mailcow.key)
    headers = {"X-API-Key": key} if key else {}
    if method == "PAGE":
        where = f"{mailcow.url}/.well-known/mta-sts.txt"
        return await client.get(where, headers={**headers, "Host": path})
    content, kind = None, "application/json"
    if method in {"RAW", "FORM"}:
        content = body
        kind = kind if method == "RAW" else "application/x-www-form-urlencoded"
    elif body is not None:
        content = json.dumps(body)
    if content is not None:
        headers["Content-Type"] = kind
    if method in keys or method in {"RAW", "FORM"}:
        method = "GET" if content is None else "POST"
    target = "/api/v1/" + quote(path, safe="/?=&%+@:;,!$'()*~")
    url = httpx.URL(mailcow.url).copy_with(raw_path=target.encode())
    client.cookies.clear()
    return await client.request(method, url, headers=headers, content=content)


def _compared(step: Step, response: httpx.Response) -> Iterator[Difference]:
    kind = response.headers.get("Content-Type", "").split(";")[0].strip()
    for name, answered in (("status", response.status_code), ("content_type", kind)):
        if step[name] != answered:
            yield Difference(name, step[name], answered)
    yield from differences(normalised(step["answer"]), normalised(_decoded(response)))


def _decoded(response: httpx.Response) -> Any:
    if not response.content.strip():
        return "EMPTY"
    try:
        return json.loads(response.content)
    except ValueError:
        return "TEXT " + response.content.decode("utf-8", "replace")


def normalised(value: Any, key: str = "") -> Any:
    """Return an answer without what repeats the request or differs from run to run."""
    if isinstance(value, dict):
        return {
            name: normalised(item, name)
            for name, item in value.items()
            if name != "log" or "type" not in value
        }
    if isinstance(value, list):
        return [normalised(item) for item in value]
    if key in VOLATILE:
        return "~"
    return HASH.sub(r"\1~", value) if isinstance(value, str) else value


def differences(recorded: Any, answered: Any, where: str = "") -> Iterator[Difference]:
    """Yield where two answers differ; lists may be in any order."""
    if isinstance(recorded, str) and recorded.endswith("~") and answered is not ABSENT:
        if not str(answered).startswith(recorded[:-1]):
            yield Difference(where or ".", recorded, answered)
    elif isinstance(recorded, dict) and isinstance(answered, dict):
        for name in sorted(recorded.keys() | answered.keys()):
            pair = recorded.get(name, ABSENT), answered.get(name, ABSENT)
            yield from differences(*pair, f"{where}.{name}")
    elif isinstance(recorded, list) and isinstance(answered, list):
        yield from _unordered(recorded, answered, where)
    elif recorded != answered or isinstance(recorded, bool) != isinstance(answered, bool):
        yield Difference(where or ".", recorded, answered)


def _unordered(recorded: list[Any], answered: list[Any], where: str) -> Iterator[Difference]:
    if len(recorded) != len(answered):
        yield Difference(where or ".", recorded, answered)
        return
    left, lone = list(answered), []
    for number, item in enumerate(recorded):
        same = next((n for n, other in enumerate(left) if not any(differences(item, other))), None)
        if same is None:
            lone.append((number, item))
        else:
            left.pop(same)
    for (number, item), other in zip(lone, left, strict=True):
        yield from differences(item, other, f"{where}[{number}]")


def _shown(value: Any) -> str:
    text = "(absent)" if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
