"""The folder that holds the guides: written whole, and nothing stale left in it."""

import json
from collections.abc import Mapping
from pathlib import Path

LIST = ".guides.json"
"""Name of the file that lists what was written, so that the next run knows what is stale."""


def write(folder: Path, files: Mapping[str, bytes], *, whole: bool) -> list[str]:
    """Write guides, and remove earlier ones that are no longer true.

    Only files that an earlier run listed are ever removed.

    Args:
        folder: Where to; made if it is not there.
        files: Contents by path below the folder.
        whole: Whether these are all the guides there are; if not, earlier ones stay.

    Returns:
        Paths of the files that were removed.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _listed(folder)
    stale = sorted(earlier - files.keys()) if whole else []
    # Listed first: after a failure half-way the next run still knows every file.
    _list(folder, earlier | files.keys())
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in stale:
        _remove(folder, folder / name)
    _list(folder, (earlier | files.keys()) - set(stale))
    return stale


def _listed(folder: Path) -> set[str]:
    try:
        names = json.loads((folder / LIST).read_text("utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(names, list):
        return set()
    root = folder.resolve()
    return {
        name
        for name in names
        if isinstance(name, str) and (folder / name).resolve().is_relative_to(root)
    }


def _list(folder: Path, names: set[str]) -> None:
    text = json.dumps(sorted(names), indent=1) + "\n"
    (folder / LIST).write_text(text, encoding="utf-8")


def _remove(folder: Path, path: Path) -> None:
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == folder or not parent.is_dir() or any(parent.iterdir()):
            return
        parent.rmdir()
