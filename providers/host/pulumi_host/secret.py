"""The resource `Secret`: generated once, kept in a file on the host, never lost by accident.

Another `generation` is the way to a new value; nothing else makes one.
"""

import math
import secrets
import string
from enum import StrEnum

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckFailure,
    PropertyDiff,
    PropertyDiffKind,
)

from pulumi_host import remote_file
from pulumi_host.connection import Connection
from pulumi_host.errors import HostError
from pulumi_host.remote_file import Found
from pulumi_host.resources import ALPHANUMERIC
from pulumi_host.values import Values, is_unknown, number, path_mistake, text, unknown

MODE = 0o600
DEFAULT_LENGTH = 32
FIRST_GENERATION = 1
_SHORTEST, _LONGEST = 8, 512
_WEAKEST_BITS = 60
_VISIBLE = frozenset(string.ascii_letters + string.digits + string.punctuation)


class Condition(StrEnum):
    """What the last look at the file found, from good to bad."""

    KEPT = "kept"
    """The file holds the secret, for its owner alone."""
    EXPOSED = "exposed"
    """The file holds the secret, but its permissions are not 0600."""
    DAMAGED = "damaged"
    """The file holds something that cannot be the secret."""
    LOST = "lost"
    """There is no file."""


def check(inputs: Values) -> tuple[dict[str, PropertyValue], list[CheckFailure]]:
    """Return the inputs in their normal form, and what is wrong with them."""
    checked = {key: value for key, value in inputs.items() if value.value is not None}
    failures = [
        CheckFailure(key, "is not a property of a secret")
        for key in checked.keys() - {"path", "length", "alphabet", "generation"}
    ]
    checked.setdefault("length", PropertyValue(float(DEFAULT_LENGTH)))
    checked.setdefault("alphabet", PropertyValue(ALPHANUMERIC))
    checked.setdefault("generation", PropertyValue(float(FIRST_GENERATION)))
    failures += _generation_mistakes(checked)
    path, length, alphabet = (checked.get(key) for key in ("path", "length", "alphabet"))
    if not is_unknown(path):
        value = text(checked, "path")
        mistake = "is required, as text" if value is None else path_mistake(value)
        if mistake:
            failures.append(CheckFailure("path", mistake))
    if not is_unknown(length):
        size = number(checked, "length")
        if size is None or not _SHORTEST <= size <= _LONGEST:
            failures.append(
                CheckFailure("length", f"must be a whole number, {_SHORTEST} to {_LONGEST}")
            )
        else:
            checked["length"] = PropertyValue(float(size))
    if not is_unknown(alphabet):
        signs = text(checked, "alphabet") or ""
        if len(set(signs)) != len(signs) or len(signs) < 2 or not set(signs) <= _VISIBLE:
            failures.append(
                CheckFailure("alphabet", "must be visible ASCII characters, each one once")
            )
    if not failures and not is_unknown(length) and not is_unknown(alphabet):
        size, signs = number(checked, "length") or 0, text(checked, "alphabet") or ""
        if size * math.log2(len(signs)) < _WEAKEST_BITS:
            failures.append(
                CheckFailure("length", f"gives less than {_WEAKEST_BITS} bits; make it longer")
            )
    return checked, failures


def _generation_mistakes(checked: dict[str, PropertyValue]) -> list[CheckFailure]:
    if is_unknown(checked["generation"]):
        return []
    generation = number(checked, "generation")
    if generation is None or generation < FIRST_GENERATION:
        return [CheckFailure("generation", "must be a whole number, 1 or more")]
    checked["generation"] = PropertyValue(float(generation))
    return []


def diff(old: Values, new: Values, ignore: list[str]) -> dict[str, PropertyDiff]:
    """Compare what the host had when last seen (`old`, outputs) with what is declared (`new`)."""
    found: dict[str, PropertyDiff] = {}
    if is_unknown(new.get("path")) or text(old, "path") != text(new, "path"):
        found["path"] = PropertyDiff(PropertyDiffKind.UPDATE_REPLACE, input_diff=True)
    # These two tell how a value is generated; the value that exists stays.
    if is_unknown(new.get("length")) or number(old, "length") != number(new, "length"):
        found["length"] = PropertyDiff(PropertyDiffKind.UPDATE, input_diff=True)
    if is_unknown(new.get("alphabet")) or text(old, "alphabet") != text(new, "alphabet"):
        found["alphabet"] = PropertyDiff(PropertyDiffKind.UPDATE, input_diff=True)
    if is_unknown(new.get("generation")) or _is_new_generation(new, old):
        found["generation"] = PropertyDiff(PropertyDiffKind.UPDATE, input_diff=True)
    if text(old, "condition") != Condition.KEPT:
        found["condition"] = PropertyDiff(PropertyDiffKind.UPDATE, input_diff=False)
    return {key: value for key, value in found.items() if key not in ignore}


def _is_new_generation(new: Values, old: Values) -> bool:
    # What was deployed before there were generations has the first.
    before = number(old, "generation") or FIRST_GENERATION
    return (number(new, "generation") or FIRST_GENERATION) != before


def planned(inputs: Values, old: Values | None = None) -> dict[str, PropertyValue]:
    """Return the outputs of a secret that is to be made, or to be put right."""
    value = old.get("value") if old and not _is_new_generation(inputs, old) else None
    return _outputs(inputs, value.with_secret(is_secret=True) if value else unknown())


def _outputs(
    inputs: Values, value: PropertyValue, condition: Condition = Condition.KEPT
) -> dict[str, PropertyValue]:
    return {
        **{key: inputs[key] for key in ("path", "length", "alphabet")},
        "generation": inputs.get("generation") or PropertyValue(float(FIRST_GENERATION)),
        "value": value.with_secret(is_secret=True),
        "condition": PropertyValue(condition.value),
    }


def _as_written(content: bytes) -> str | None:
    """Return the secret that a file holds, or None where it holds none."""
    try:
        value = content.decode("ascii").removesuffix("\n")
    except UnicodeDecodeError:
        return None
    fits = _SHORTEST <= len(value) <= _LONGEST and set(value) <= _VISIBLE
    return value if fits else None


async def create(connection: Connection, inputs: Values) -> dict[str, PropertyValue]:
    """Adopt the secret that the file holds, or make one; return the outputs.

    Raises:
        HostError: the file holds something that is not such a secret.
    """
    path, alphabet = text(inputs, "path") or "", text(inputs, "alphabet") or ""
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    value = _made(inputs) if found is None else _adopted(path, found, alphabet)
    if found is None or found.mode != MODE:
        await _write(connection, path, value)
    return _outputs(inputs, PropertyValue(value))


def _made(inputs: Values) -> str:
    length = number(inputs, "length") or DEFAULT_LENGTH
    alphabet = text(inputs, "alphabet") or ALPHANUMERIC
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _adopted(path: str, found: Found, alphabet: str) -> str:
    value = _as_written(found.content)
    if value is None:
        raise HostError(
            f"{path}: exists but holds no secret (one line of {_SHORTEST} to {_LONGEST} visible "
            "characters); put the right one there, or remove the file to have one made"
        )
    if not set(value) <= set(alphabet):
        raise HostError(
            f"{path}: exists, and the secret in it has characters outside the declared alphabet"
        )
    return value


async def update(connection: Connection, inputs: Values, old: Values) -> dict[str, PropertyValue]:
    """Put the file right with the value from the state, or with a new one; return the outputs.

    A new generation is a new value whatever the file holds: if an earlier attempt at it ended
    between file and state, nothing has been told of that value yet.

    Raises:
        HostError: the file holds another secret than the state, or the value does not fit a
            changed alphabet.
    """
    path, value = text(inputs, "path") or "", text(old, "value")
    if _is_new_generation(inputs, old):
        fresh = _made(inputs)
        await _write(connection, path, fresh)
        return _outputs(inputs, PropertyValue(fresh))
    if value is None:
        raise HostError(f"{path}: the state holds no value; remove the resource and make it anew")
    if not set(value) <= set(text(inputs, "alphabet") or ""):
        raise HostError(f"{path}: the secret has characters outside the declared alphabet")
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    there = None if found is None else _as_written(found.content)
    if there is not None and there != value:
        raise HostError(
            f"{path}: holds another secret than the state; `pulumi refresh` takes it over"
        )
    if found is None or there is None or found.mode != MODE:
        await _write(connection, path, value)
    return _outputs(inputs, PropertyValue(value))


async def _write(connection: Connection, path: str, value: str) -> None:
    await connection.run(lambda sftp: remote_file.write(sftp, path, value.encode(), MODE))


async def read(
    connection: Connection, path: str, old: Values, old_inputs: Values
) -> tuple[dict[str, PropertyValue], dict[str, PropertyValue]] | None:
    """Return outputs and inputs as the host has them now.

    A lost or damaged file does not end the resource: the value in the state is then the only
    copy. None only where neither the file nor the state has a value.
    """
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    there = None if found is None else _as_written(found.content)
    value = there or text(old, "value")
    if value is None:
        return None
    if found is None:
        condition = Condition.LOST
    elif there is None:
        condition = Condition.DAMAGED
    else:
        condition = Condition.KEPT if found.mode == MODE else Condition.EXPOSED
    inputs = {
        "path": PropertyValue(path),
        "length": _first("length", old_inputs, old) or PropertyValue(float(len(value))),
        "alphabet": _first("alphabet", old_inputs, old) or PropertyValue(_alphabet_of(value)),
        # As deployed: a refresh must not make a declared generation look done.
        "generation": _first("generation", old, old_inputs)
        or PropertyValue(float(FIRST_GENERATION)),
    }
    return _outputs(inputs, PropertyValue(value), condition), inputs


def _first(key: str, *several: Values) -> PropertyValue | None:
    return next((values[key] for values in several if key in values), None)


def _alphabet_of(value: str) -> str:
    return ALPHANUMERIC + "".join(sorted(set(value) - set(ALPHANUMERIC)))
