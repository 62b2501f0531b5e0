"""The resource `File`: what its inputs must be, and how it is made, compared and read."""

import hashlib
import re
import secrets

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckFailure,
    PropertyDiff,
    PropertyDiffKind,
)

from pulumi_host import remote_file
from pulumi_host.connection import Connection
from pulumi_host.values import Values, is_secret, is_unknown, path_mistake, text, unknown

DEFAULT_MODE = "0644"
_MODE = re.compile(r"(?:0o)?([0-7]{3,4})")
_READABLE_BY_ALL = 0o004


def check(inputs: Values) -> tuple[dict[str, PropertyValue], list[CheckFailure]]:
    """Return the inputs in their normal form, and what is wrong with them."""
    checked = {key: value for key, value in inputs.items() if value.value is not None}
    failures = [
        CheckFailure(key, "is not a property of a file")
        for key in checked.keys() - {"path", "content", "mode"}
    ]
    checked.setdefault("mode", PropertyValue(DEFAULT_MODE))
    for key in ("path", "content", "mode"):
        value = checked.get(key)
        if is_unknown(value):
            continue
        if value is None or not isinstance(value.value, str):
            failures.append(CheckFailure(key, "is required, as text"))
        elif key == "path" and (mistake := path_mistake(value.value)):
            failures.append(CheckFailure(key, mistake))
        elif key == "content" and len(value.value.encode()) > remote_file.LARGEST:
            failures.append(CheckFailure(key, "is larger than 4 MiB"))
        elif key == "mode":
            found = _MODE.fullmatch(value.value)
            if found is None:
                failures.append(CheckFailure(key, 'must be octal, such as "0644"'))
            else:
                checked[key] = value.with_value(found[1].zfill(4))
    return checked, failures


def diff(old: Values, new: Values, ignore: list[str]) -> dict[str, PropertyDiff]:
    """Compare what the host had when last seen (`old`, outputs) with what is declared (`new`)."""
    found: dict[str, PropertyDiff] = {}
    for key in ("path", "content", "mode"):
        if key in ignore:
            continue
        changed = is_unknown(new.get(key)) or text(old, key) != text(new, key)
        # Content that is declared secret from now on must not stay in clear in the state.
        sealed = is_secret(new.get(key)) and not is_secret(old.get(key))
        if changed or sealed:
            kind = PropertyDiffKind.UPDATE_REPLACE if key == "path" else PropertyDiffKind.UPDATE
            found[key] = PropertyDiff(kind, input_diff=True)
    return found


def planned(inputs: Values) -> dict[str, PropertyValue]:
    """Return the outputs of a write that is only planned."""
    return _outputs(inputs, unknown())


def _outputs(inputs: Values, revision: PropertyValue) -> dict[str, PropertyValue]:
    content = inputs["content"]
    if isinstance(content.value, str) and not is_unknown(content):
        digest = content.with_value(hashlib.sha256(content.value.encode()).hexdigest())
    else:
        digest = unknown()
    return {
        **{key: inputs[key] for key in ("path", "content", "mode")},
        "sha256": digest,
        "revision": revision,
    }


def _new_revision() -> PropertyValue:
    # Random rather than counted: a file that is replaced must not begin at the same number again.
    return PropertyValue(secrets.token_hex(8))


def _wanted(inputs: Values) -> tuple[str, bytes, int]:
    path, content, mode = (text(inputs, key) or "" for key in ("path", "content", "mode"))
    return path, content.encode(), int(mode, 8)


async def create(connection: Connection, inputs: Values) -> dict[str, PropertyValue]:
    """Write the file unless it is there already, exactly as declared; return the outputs."""
    path, content, mode = _wanted(inputs)
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    if found != remote_file.Found(content, mode):
        await connection.run(lambda sftp: remote_file.write(sftp, path, content, mode))
    return _outputs(inputs, _new_revision())


async def update(connection: Connection, inputs: Values) -> dict[str, PropertyValue]:
    """Write the file and return the outputs.

    It is written even where the host has it already: the last run may have been cut off between
    the write and the restart that the new revision sets off.
    """
    path, content, mode = _wanted(inputs)
    await connection.run(lambda sftp: remote_file.write(sftp, path, content, mode))
    return _outputs(inputs, _new_revision())


async def read(
    connection: Connection, path: str, old: Values, old_inputs: Values
) -> tuple[dict[str, PropertyValue], dict[str, PropertyValue]] | None:
    """Return outputs and inputs as the host has them now, or None where the file is gone."""
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    if found is None:
        return None
    # What is not UTF-8 cannot have been written by this provider; it need only differ.
    content = found.content.decode(errors="backslashreplace")
    if "content" in old or "content" in old_inputs:
        sealed = is_secret(old.get("content")) or is_secret(old_inputs.get("content"))
    else:
        sealed = not found.mode & _READABLE_BY_ALL
    inputs = {
        "path": PropertyValue(path),
        "content": PropertyValue(content, is_secret=sealed),
        "mode": PropertyValue(f"{found.mode:04o}"),
    }
    return _outputs(inputs, old.get("revision") or _new_revision()), inputs


async def delete(connection: Connection, path: str) -> None:
    """Remove the file."""
    await connection.run(lambda sftp: remote_file.remove(sftp, path))
