"""Reading a declaration: what is valid of it, and every mistake at once."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from declaration import secrets, stack_file
from declaration.account_facts import stood_in
from declaration.checks import cross_part_mistakes
from declaration.lines import located
from declaration.mistakes import (
    PREFIX,
    DeclarationError,
    Mistake,
    Place,
    looks_secret,
    rephrase,
    spelled,
    suggestion,
)
from declaration.model import Declaration

_FACTS = {
    "hostKey": (
        'mail:hostKey "ssh-ed25519 AAAA..."',
        "ssh-keyscan -t ed25519 {host}, compared with the console of the host's provider",
    ),
    "dkimPublicKey": ('mail:dkimPublicKey "p=MIGf..."', "the smarthost's account, Domains, DKIM"),
    "exporterDigest": (
        "mail:exporterDigest sha256:...",
        "docker buildx imagetools inspect {exporter}",
    ),
    "operatorAddresses": (
        "--path 'mail:operatorAddresses[0]' 203.0.113.7",
        "the public address from which you deploy",
    ),
}
"""How each account fact is set, and where it is found."""


def secret_keys(declaration: Declaration) -> dict[str, str]:
    """Return the key of every secret that this declaration needs, with where it is found."""
    return secrets.keys(
        (mailbox.name for mailbox in declaration.mailboxes),
        (source.name for source in declaration.imports),
    )


def read(
    values: Mapping[str, object],
    *,
    source: str,
    today: date | None = None,
    file: Path | None = None,
) -> Declaration:
    """Read a declaration and check it as a whole.

    Args:
        values: Values by key, without the prefix `mail:`. Structured values may be JSON text, as
            the runtime hands them over.
        source: Name of the file, for the message.
        today: The day to judge dates by; today in UTC when absent.
        file: The file, to tell the line of each mistake.

    Raises:
        DeclarationError: all mistakes at once.
    """
    reading = Reading(values, today)
    if reading.declaration is None:
        mistakes = located(reading.mistakes, file) if file else reading.mistakes
        raise DeclarationError(source, mistakes)
    return reading.declaration


def read_file(path: Path, overlay: Mapping[str, object] | None = None) -> Declaration:
    """Read the declaration of a stack from its file; needs no engine and no secret.

    Args:
        path: `Pulumi.<stack>.yaml`.
        overlay: Values by key that take the place of those in the file, or add to them.

    Raises:
        DeclarationError: all mistakes at once, also when there is no such file.
    """
    return read(load_values(path) | dict(overlay or {}), source=path.name, file=path)


def check(values: Mapping[str, object], file: Path) -> "Reading":
    """Read a declaration; what only the operator's accounts can tell may be missing.

    Args:
        values: Values by key, without the prefix `mail:`.
        file: The file, to tell the line of each mistake.

    Raises:
        DeclarationError: all mistakes at once.
    """
    reading = Reading(values)
    wrong = [mistake for mistake in reading.mistakes if not mistake.command]
    if wrong:
        raise DeclarationError(file.name, located(wrong, file))
    return reading


def load_values(path: Path) -> dict[str, object]:
    """Return the values of a stack's file by key, without the prefix and without secrets.

    Raises:
        DeclarationError: the file cannot be read as YAML with a `config:` in it.
    """
    return stack_file.load(path)


class Reading:
    """One reading of a declaration: what is valid of it, and what is not.

    Attributes:
        mistakes: All of them, in the order in which the keys stand.
        declaration: The declaration; None when there are mistakes.
        parts: What is valid of it, by field, defaults filled in.
    """

    def __init__(self, values: Mapping[str, object], today: date | None = None) -> None:
        self.parts: dict[str, Any] = {}
        keys = {one.alias or name: name for name, one in Declaration.model_fields.items()}
        given = {
            key: _decoded(value)
            for key, value in values.items()
            if not (key in keys and _absent(value))
        }
        found = [secrets.in_clear(key) for key in given if secrets.names_secret(key)]
        given = {key: value for key, value in given.items() if not secrets.names_secret(key)}
        found += [_foreign(key, keys) for key in given if _is_foreign(key)]
        given = {key: value for key, value in given.items() if not _is_foreign(key)}
        found += _pasted_secrets(given)
        whole: Declaration | None = None
        try:
            whole = Declaration.model_validate(given)
        except ValidationError as error:
            details = error.errors(include_url=False)
            wrong = {keys.get(str(detail["loc"][0])) for detail in details}
            self.parts = _valid_parts(given, wrong)
            found += [self._rephrased(detail) for detail in details]
        else:
            self.parts = {name: getattr(whole, name) for name in Declaration.model_fields}
        if self._lacks_key():
            found.append(self._fact("dkimPublicKey"))
        found += cross_part_mistakes(Declaration, self.parts, today or _today())
        self.mistakes = _in_order(found, [*given, *keys])
        self.declaration = None if self.mistakes else whole

    def mailbox_names(self) -> list[str] | None:
        """Return the local parts of the mailboxes; None when they are not valid."""
        return self._names("mailboxes")

    def import_names(self) -> list[str] | None:
        """Return the names of the imports; None when they are not valid."""
        return self._names("imports")

    def _names(self, part: str) -> list[str] | None:
        entries = self.parts.get(part)
        return None if entries is None else [entry.name for entry in entries]

    def _rephrased(self, error: ErrorDetails) -> Mistake:
        key = str(error["loc"][0])
        if error["type"] != "missing" or len(error["loc"]) > 1 or key not in _FACTS:
            return rephrase(error, Declaration)
        return self._fact(key)

    def _lacks_key(self) -> bool:
        """Tell whether the DKIM key is asked for and missing; names stand for it."""
        smarthost = self.parts.get("smarthost")
        names = smarthost is not None and bool(smarthost.dkim_names)
        return self.parts.get("dkim_public_key") == "" and not names

    def _fact(self, key: str) -> Mistake:
        """Return the mistake of an account fact that is missing."""
        command, where = _FACTS[key]
        host, monitoring = self.parts.get("host"), self.parts.get("monitoring")
        where = where.format(
            host=host.address if host else "HOST",
            exporter=monitoring.exporter_image if monitoring else "IMAGE",
        )
        return Mistake(PREFIX + key, where, f"pulumi config set {command}")


def _today() -> date:
    return datetime.now(UTC).date()


def _absent(value: object) -> bool:
    # Pulumi.yaml gives the account facts empty defaults, or the engine would ask for them itself.
    return value is None or value in ("", "[]", [])


def _decoded(value: object) -> object:
    """Return a value of the runtime, which hands structures over as JSON, as what it stands for."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _valid_parts(given: Mapping[str, object], wrong: set[str | None]) -> dict[str, Any]:
    """Return the parts that are valid on their own, so that checks across them can run."""
    # Most often account facts are missing and all else is right: that is seen in one go.
    with suppress(ValidationError):
        facts = {key: fact for key, fact in stood_in(given).items() if key != "dkimPublicKey"}
        whole = Declaration.model_validate({**given, **facts})
        return {
            name: getattr(whole, name) for name in Declaration.model_fields if name not in wrong
        }
    parts: dict[str, Any] = {}
    for name, one in Declaration.model_fields.items():
        if name in wrong:
            continue
        key = one.alias or name
        if key in given:
            kind: Any = one.annotation
            for constraint in one.metadata:
                kind = Annotated[kind, constraint]
            parts[name] = TypeAdapter(kind).validate_python(given[key])
        else:
            parts[name] = one.get_default(call_default_factory=True)
    return parts


def _is_foreign(key: str) -> bool:
    return bool(re.search(r"[:.]", key))


def _foreign(key: str, known: Iterable[str]) -> Mistake:
    """Return the mistake of a key that this program does not read, though it stands in its file."""
    shown = "this key" if looks_secret(key) else key
    near = suggestion(re.split(r"[:.]", key)[-1], known).replace("mean ", f"mean {PREFIX}")
    return Mistake(shown, f"is read by nobody: the keys of this program begin with {PREFIX}{near}")


def _pasted_secrets(given: Mapping[str, object]) -> list[Mistake]:
    """Return where something that looks like a credential stands in clear."""
    way_out = "looks like a credential; take it out, make a new one, and set it by one of the keys "
    names = ", ".join(secrets.CATALOGUE)
    return [
        Mistake(spelled(place), f"{way_out}of secrets: {names}")
        for place, text in _texts(given, ())
        if looks_secret(text) and (not _public(place) or "PRIVATE" in text)
    ]


def _public(place: Place) -> bool:
    """Tell whether what stands there is public, though it looks like a credential."""
    whole = {"hostKey", "dkimPublicKey", "exporterDigest", "endpoints"}
    return place[0] in whole or place[-1] == "publicKey"


def _texts(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _texts(one, (*place, index))


def sealed_needlessly(key: str) -> Mistake:
    """Return the mistake of a value that is sealed although it is no secret."""
    way_out = f"pulumi config rm {PREFIX}{key}, then declare it in plain text"
    return Mistake(
        PREFIX + key, f"is sealed, or something in it is, but it is no secret; {way_out}"
    )


def _in_order(found: list[Mistake], keys: list[str]) -> tuple[Mistake, ...]:
    """Return one mistake for each place, the first found, in the order of the keys."""
    first: dict[str, Mistake] = {}
    for mistake in found:
        first.setdefault(mistake.path, mistake)
    ranks = {key: rank for rank, key in reversed(list(enumerate(keys)))}

    def rank(mistake: Mistake) -> int:
        key = re.split(r"[.\[]", mistake.path.removeprefix(PREFIX))[0]
        return ranks.get(key, len(ranks))

    return tuple(sorted(first.values(), key=rank))
