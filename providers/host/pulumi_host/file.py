"""The resource `File`: what its inputs must be, and how it is made, compared and read."""

import hashlib
import re
import secrets

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import PropertyDiffKind

from pulumi_host import remote_file
from pulumi_host.connection import Connection
from pulumi_host.values import path_mistake, text
from pulumi_kit.checking import Shape, mistakes
from pulumi_kit.differences import Changes
from pulumi_kit.values import UNKNOWN, Properties, Wire, is_unknown, plain_map, wrapped

DEFAULT_MODE = "0644"
_MODE = re.compile(r"(?:0o)?([0-7]{3,4})")
_READABLE_BY_ALL = 0o004
_GROUP = re.compile(r"0|[1-9]\d{0,8}")


REPLACING = frozenset({"path"})
COMPUTED = frozenset[str]()
_SHAPE = Shape(frozenset({"path", "content", "mode", "group"}), frozenset({"path", "content"}))


def check(inputs: Wire) -> tuple[Properties, list[tuple[str, str]]]:
    """Return the inputs in their normal form, and what is wrong with them."""
    checked = {key: value for key, value in inputs.items() if value.value is not None}
    checked.setdefault("mode", wrapped(DEFAULT_MODE))
    found = list(mistakes(plain_map(checked), _SHAPE))
    for key in _SHAPE.names & checked.keys():
        value = checked[key]
        if is_unknown(value):
            continue
        if not isinstance(value.value, str):
            found.append((key, "must be text"))
        elif key == "path" and (mistake := path_mistake(value.value)):
            found.append((key, mistake))
        elif key == "content" and len(value.value.encode()) > remote_file.LARGEST:
            found.append((key, "is larger than 4 MiB"))
        elif key == "mode":
            digits = _MODE.fullmatch(value.value)
            if digits is None:
                found.append((key, 'must be octal, such as "0644"'))
            else:
                checked[key] = value.with_value(digits[1].zfill(4))
        elif key == "group" and not _GROUP.fullmatch(value.value):
            found.append((key, 'must be the number of a group, such as "65534"'))
    return checked, found


def diff(old: Wire, new: Wire) -> Changes:
    """Compare what the host had when last seen (`old`, outputs) with what is declared (`new`)."""
    return {
        key: [(key, PropertyDiffKind.UPDATE)]
        for key in sorted(_SHAPE.names)
        # Content that is declared secret from now on must not stay in clear in the state.
        if is_unknown(new.get(key))
        or text(old, key) != text(new, key)
        or (_is_secret(new, key) and not _is_secret(old, key))
    }


def _is_secret(values: Wire, key: str) -> bool:
    return key in values and values[key].is_secret


def planned(inputs: Wire, old: Wire | None = None) -> Properties:
    """Return the outputs of a write that is only planned."""
    del old  # the revision is new whatever was there
    return _outputs(inputs, wrapped(UNKNOWN))


def _outputs(inputs: Wire, revision: PropertyValue) -> Properties:
    content = inputs["content"]
    if isinstance(content.value, str) and not is_unknown(content):
        digest = content.with_value(hashlib.sha256(content.value.encode()).hexdigest())
    else:
        digest = wrapped(UNKNOWN)
    return {
        **{key: inputs[key] for key in ("path", "content", "mode", "group") if key in inputs},
        "sha256": digest,
        "revision": revision,
    }


def _new_revision() -> PropertyValue:
    # Random rather than counted: a file that is replaced must not begin at the same number again.
    return wrapped(secrets.token_hex(8))


def _wanted(inputs: Wire) -> tuple[str, remote_file.Wanted]:
    path, content, mode = (text(inputs, key) or "" for key in ("path", "content", "mode"))
    group = text(inputs, "group")
    number = None if group is None else int(group)
    return path, remote_file.Wanted(content.encode(), int(mode, 8), number)


async def create(connection: Connection, inputs: Wire) -> Properties:
    """Write the file unless it is there already, exactly as declared; return the outputs."""
    path, wanted = _wanted(inputs)
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    if found is None or wanted.differs(found):
        await connection.run(lambda sftp: remote_file.write(sftp, path, wanted))
    return _outputs(inputs, _new_revision())


async def update(connection: Connection, inputs: Wire, old: Wire) -> Properties:
    """Write the file and return the outputs.

    It is written even where the host has it already: the last run may have been cut off between
    the write and the restart that the new revision sets off.
    """
    del old  # it is written whatever was there
    path, wanted = _wanted(inputs)
    await connection.run(lambda sftp: remote_file.write(sftp, path, wanted))
    return _outputs(inputs, _new_revision())


async def read(
    connection: Connection, path: str, old: Wire, old_inputs: Wire
) -> tuple[Properties, Properties] | None:
    """Return outputs and inputs as the host has them now, or None where the file is gone."""
    found = await connection.run(lambda sftp: remote_file.read(sftp, path))
    if found is None:
        return None
    # What is not UTF-8 cannot have been written by this provider; it need only differ.
    content = found.content.decode(errors="backslashreplace")
    if "content" in old or "content" in old_inputs:
        sealed = _is_secret(old, "content") or _is_secret(old_inputs, "content")
    else:
        sealed = not found.mode & _READABLE_BY_ALL
    inputs = {
        "path": wrapped(path),
        "content": wrapped(content, secret=sealed),
        "mode": wrapped(f"{found.mode:04o}"),
    }
    # Whose group it is says something only where one was declared.
    if "group" in old or "group" in old_inputs:
        inputs["group"] = wrapped(str(found.group))
    return _outputs(inputs, old.get("revision") or _new_revision()), inputs


async def delete(connection: Connection, path: str) -> None:
    """Remove the file."""
    await connection.run(lambda sftp: remote_file.remove(sftp, path))
