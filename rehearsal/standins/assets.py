"""Assets and archives: what they hold, and the digest by which a change is seen."""

import hashlib
from pathlib import Path

from pulumi import Archive, Asset, AssetArchive, FileArchive, FileAsset, StringAsset

from rehearsal.standins.failure import OperationError


def content(asset: Asset) -> bytes:
    """Return the bytes of an asset.

    Raises:
        OperationError: the file is not there, or the asset lies at a remote address.
    """
    if isinstance(asset, StringAsset):
        return asset.text.encode()
    if isinstance(asset, FileAsset):
        try:
            return Path(asset.path).read_bytes()
        except OSError as error:
            raise OperationError(f"{asset.path}: {error.strerror}") from None
    raise OperationError("only files and texts can be copied, not remote addresses")


def files(archive: Archive) -> dict[str, bytes]:
    """Return the files of an archive by relative path.

    Raises:
        OperationError: it is a remote address, or holds one.
    """
    if isinstance(archive, FileArchive):
        root = Path(archive.path)
        if root.is_file():
            return {root.name: root.read_bytes()}
        found = sorted(path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): path.read_bytes() for path in found}
    if isinstance(archive, AssetArchive):
        result: dict[str, bytes] = {}
        for name, item in archive.assets.items():
            if isinstance(item, Asset):
                result[name] = content(item)
            else:
                inside = files(item)
                result.update({f"{name}/{inner}": data for inner, data in inside.items()})
        return result
    raise OperationError("only files and texts can be copied, not remote addresses")


def digest(source: Asset | Archive) -> str:
    """Return the SHA-256 of a source: the one it carries from the state, or of what it holds now.

    An engine keeps the digest of an asset in the state, and can hand it over as attribute `hash`;
    the file itself may have changed since, which is just what has to be seen.
    """
    kept = getattr(source, "hash", None)
    if isinstance(kept, str):
        return kept
    if isinstance(source, Asset):
        return hashlib.sha256(content(source)).hexdigest()
    whole = hashlib.sha256()
    for name, data in sorted(files(source).items()):
        whole.update(f"{name}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()
