"""A restic that keeps snapshots as JSON: enough to see what the backup asks, and to fail."""

import json
import os
import re
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.onhost.backup_tools.fake_tool import fail, fault, record

_ID = re.compile("[0-9a-f]{8,64}")


def _repository() -> Path:
    return Path(os.environ["FAKE_REPOSITORY"])


def _snapshots() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(_repository().glob("snap-*"))]


def _files(path: Path) -> list[str]:
    return [str(item) for item in path.rglob("*") if item.is_file()] if path.is_dir() else []


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def _cat(_words: list[str]) -> int:
    return 0 if (_repository() / "config").exists() else fail(10)


def _init(_words: list[str]) -> int:
    _repository().mkdir(exist_ok=True)
    (_repository() / "config").write_text("{}")
    return 0


def _backup(words: list[str]) -> int:
    paths = [Path(word) for word in words[words.index("--") + 1 :]]
    lost = fault("restic:loses")
    snapshot = {
        "id": secrets.token_hex(32),
        "time": os.environ.get("FAKE_TIME") or datetime.now(UTC).isoformat(),
        "tags": words[words.index("--tag") + 1].split(","),
        "paths": [str(path) for path in paths if lost is None or lost not in str(path)],
        "files": [
            file for path in paths for file in _files(path) if lost is None or lost not in file
        ],
        "dump": next(path for path in paths if path.name == "database.sql").read_text(),
    }
    (_repository() / f"snap-{time.time_ns()}").write_text(json.dumps(snapshot))
    size = fault("restic:size")
    summary = {
        "message_type": "summary",
        "total_bytes_processed": sum(map(_size, paths)) if size is None else size,
        "snapshot_id": snapshot["id"][:8],
    }
    if fault("restic:mute") is None:
        sys.stdout.write(json.dumps(summary) + "\n")
    return 0


def _named(words: list[str]) -> list[dict[str, Any]]:
    names = [word for word in words if _ID.fullmatch(word)]
    return [
        snapshot
        for snapshot in _snapshots()
        if not names or any(snapshot["id"].startswith(name) for name in names)
    ]


def _list(words: list[str]) -> int:
    sys.stdout.write(json.dumps(_named(words)))
    return 0


def _tag(words: list[str]) -> int:
    """Change tags, under another id as restic does."""
    changes = [(word, words[at + 1]) for at, word in enumerate(words) if word[:2] == "--"]
    for file in _repository().glob("snap-*"):
        snapshot = json.loads(file.read_text())
        if not any(snapshot["id"].startswith(name) for name in words if _ID.fullmatch(name)):
            continue
        for what, tag in changes:
            snapshot["tags"] = [other for other in snapshot["tags"] if other != tag]
            snapshot["tags"] += [tag] if what == "--add" else []
        snapshot = {"original": snapshot["id"]} | snapshot | {"id": secrets.token_hex(32)}
        file.write_text(json.dumps(snapshot))
    return 0


def _ls(words: list[str]) -> int:
    for snapshot in _named(words):
        for path in snapshot["paths"] + snapshot["files"]:
            sys.stdout.write(json.dumps({"struct_type": "node", "path": path}) + "\n")
    return 0


def _dump(words: list[str]) -> int:
    for snapshot in _named(words[1:2]):
        spoilt = fault("restic:spoils")
        sys.stdout.write(snapshot["dump"] if spoilt is None else spoilt)
    return 0


def _forget(words: list[str]) -> int:
    """Remove the named ones, and for a rule none: which are kept is restic's own to know."""
    for file in _repository().glob("snap-*"):
        if json.loads(file.read_text())["id"] in words:
            file.unlink()
    if fault("restic:forgets-all") is not None:
        for path in _repository().glob("snap-*"):
            path.unlink()
    return 0


def _nothing(_words: list[str]) -> int:
    return 0


def main(words: list[str]) -> int:
    """Answer."""
    record("restic", words)
    planted = fault(f"restic:{words[0]}")
    if planted:
        return fail(int(planted))
    does = {
        "cat": _cat, "init": _init, "backup": _backup, "snapshots": _list, "ls": _ls,
        "dump": _dump, "forget": _forget, "check": _nothing, "unlock": _nothing, "tag": _tag,
    }  # fmt: skip
    return does[words[0]](words)
