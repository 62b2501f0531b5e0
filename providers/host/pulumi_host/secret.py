"""The resource `Secret`: generated once, kept in a file on the host, never lost by accident.

Another `generation` is the way to a new value; nothing else makes one.
"""

import math
import secrets
import string
from enum import StrEnum

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import PropertyDiffKind

from pulumi_host import remote_file
from pulumi_host.connection import Connection
from pulumi_host.errors import HostError
from pulumi_host.remote_file import Found
from pulumi_host.resources import ALPHANUMERIC
from pulumi_host.values import number, path_mistake, text
from pulumi_kit.checking import Shape, mistakes
from pulumi_kit.differences import Changes
from pulumi_kit.values import UNKNOWN, Properties, Wire, is_unknown, plain_map, wrapped

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


REPLACING = frozenset({"path"})
COMPUTED = frozenset({"condition"})
_SHAPE = Shape(frozenset({"path", "length", "alphabet", "generation"}), frozenset({"path"}))


def check(inputs: Wire) -> tuple[Properties, list[tuple[str, str]]]:
    """Return the inputs in their normal form, and what is wrong with them."""
    checked = {
        "length": wrapped(DEFAULT_LENGTH),
        "alphabet": wrapped(ALPHANUMERIC),
        "generation": wrapped(FIRST_GENERATION),
        **{key: value for key, value in inputs.items() if value.value is not None},
    }
    found = list(mistakes(plain_map(checked), _SHAPE))
    path, length, alphabet = (checked.get(key) for key in ("path", "length", "alphabet"))
    if path is not None and not is_unknown(path):
        value = text(checked, "path")
        mistake = "must be text" if value is None else path_mistake(value)
        if mistake:
            found.append(("path", mistake))
    found += _number_mistakes(checked, "generation", FIRST_GENERATION, None)
    found += _number_mistakes(checked, "length", _SHORTEST, _LONGEST)
    if not is_unknown(alphabet):
        signs = text(checked, "alphabet") or ""
        if len(set(signs)) != len(signs) or len(signs) < 2 or not set(signs) <= _VISIBLE:
            found.append(("alphabet", "must be visible ASCII characters, each one once"))
    if not found and not is_unknown(length) and not is_unknown(alphabet):
        size, signs = number(checked, "length") or 0, text(checked, "alphabet") or ""
        if size * math.log2(len(signs)) < _WEAKEST_BITS:
            found.append(("length", f"gives less than {_WEAKEST_BITS} bits; make it longer"))
    return checked, found


def _number_mistakes(
    checked: Properties, key: str, least: int, most: int | None
) -> list[tuple[str, str]]:
    """Return what is wrong with a number; one that came as text becomes one."""
    if is_unknown(checked[key]):
        return []
    value = number(checked, key)
    if value is None or value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        return [(key, f"must be a whole number, {bounds}")]
    checked[key] = wrapped(value)
    return []


def diff(old: Wire, new: Wire) -> Changes:
    """Compare what the host had when last seen (`old`, outputs) with what is declared (`new`).

    Length and alphabet tell how a value is generated; the value that exists stays.
    """
    differs = {
        "path": text(old, "path") != text(new, "path"),
        "length": number(old, "length") != number(new, "length"),
        "alphabet": text(old, "alphabet") != text(new, "alphabet"),
        "generation": _is_new_generation(new, old),
        "condition": text(old, "condition") != Condition.KEPT,
    }
    return {
        key: [(key, PropertyDiffKind.UPDATE)]
        for key, differing in differs.items()
        if differing or is_unknown(new.get(key))
    }


def _is_new_generation(new: Wire, old: Wire) -> bool:
    # What was deployed before there were generations has the first.
    before = number(old, "generation") or FIRST_GENERATION
    return (number(new, "generation") or FIRST_GENERATION) != before


def planned(inputs: Wire, old: Wire | None = None) -> Properties:
    """Return the outputs of a secret that is to be made, or to be put right."""
    value = old.get("value") if old and not _is_new_generation(inputs, old) else None
    return _outputs(inputs, value or wrapped(UNKNOWN))


def _outputs(
    inputs: Wire, value: PropertyValue, condition: Condition = Condition.KEPT
) -> Properties:
    return {
        **{key: inputs[key] for key in ("path", "length", "alphabet")},
        "generation": inputs.get("generation") or wrapped(FIRST_GENERATION),
        "value": wrapped(value, secret=True),
        "condition": wrapped(condition.value),
    }


def _as_written(content: bytes) -> str | None:
    """Return the secret that a file holds, or None where it holds none."""
    try:
        value = content.decode("ascii").removesuffix("\n")
    except UnicodeDecodeError:
        return None
    fits = _SHORTEST <= len(value) <= _LONGEST and set(value) <= _VISIBLE
    return value if fits else None


async def create(connection: Connection, inputs: Wire) -> Properties:
    """Adopt the secret that the file holds, or make one; return the outputs.

    Raises:
        HostError: the file holds something that is not such a secret.
    """
    path, alphabet = text(inputs, "path") or "", text(inputs, "alphabet") or ""
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    value = _made(inputs) if found is None else _adopted(path, found, alphabet)
    if found is None or found.mode != MODE:
        await _write(connection, path, value)
    return _outputs(inputs, wrapped(value))


def _made(inputs: Wire) -> str:
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


async def update(connection: Connection, inputs: Wire, old: Wire) -> Properties:
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
        return _outputs(inputs, wrapped(fresh))
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
    return _outputs(inputs, wrapped(value))


async def delete(connection: Connection, path: str) -> None:
    """Leave the secret on the host."""


async def _write(connection: Connection, path: str, value: str) -> None:
    wanted = remote_file.Wanted(value.encode(), MODE)
    await connection.run(lambda sftp: remote_file.write(sftp, path, wanted))


async def read(
    connection: Connection, path: str, old: Wire, old_inputs: Wire
) -> tuple[Properties, Properties] | None:
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
        "path": wrapped(path),
        "length": _first("length", old_inputs, old) or wrapped(len(value)),
        "alphabet": _first("alphabet", old_inputs, old) or wrapped(_alphabet_of(value)),
        # As deployed: a refresh must not make a declared generation look done.
        "generation": _first("generation", old, old_inputs) or wrapped(FIRST_GENERATION),
    }
    return _outputs(inputs, wrapped(value), condition), inputs


def _first(key: str, *several: Wire) -> PropertyValue | None:
    return next((values[key] for values in several if key in values), None)


def _alphabet_of(value: str) -> str:
    return ALPHANUMERIC + "".join(sorted(set(value) - set(ALPHANUMERIC)))
