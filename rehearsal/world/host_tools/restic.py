"""A stand-in for restic, for machines without it: the commands that a backup and a drill use."""

import json
import os
import random
import stat
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal.world.host_tools.restic_repository import CHUNK, Repository, shelf_of
from rehearsal.world.host_tools.surroundings import ToolError, complain, say, told_to_fail

_UNREAD = 3
"""Exit status when some source could not be read."""

_PERIODS = {
    "hourly": "%Y-%m-%d %H", "daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m",
    "yearly": "%Y",
}  # fmt: skip


def _password(options: Namespace) -> str:
    file = options.password_file or os.environ.get("RESTIC_PASSWORD_FILE")
    if file:
        password = Path(file).read_text().strip()
        if not password:
            raise ToolError("Fatal: an empty password is not a password")
        return password
    if "RESTIC_PASSWORD" not in os.environ:
        raise ToolError("Fatal: an empty password is not a password")
    return os.environ["RESTIC_PASSWORD"]


def _address(options: Namespace) -> str:
    address = options.repo or os.environ.get("RESTIC_REPOSITORY", "")
    if not address:
        raise ToolError("Fatal: Please specify repository location (-r or --repository-file)")
    return str(address)


def _open(options: Namespace) -> Repository:
    address = _address(options)
    return Repository(shelf_of(address), address, _password(options))


def _init(options: Namespace) -> None:
    address = _address(options)
    made = Repository.make(shelf_of(address), address, _password(options))
    say(f"created restic repository {made.identity[:10]} at {address}")


def _cat(options: Namespace) -> None:
    repository = _open(options)
    if options.what != "config":
        raise ToolError("Fatal: the stand-in for restic shows its config alone")
    say(json.dumps({"version": 2, "id": repository.identity}))


def _keys(options: Namespace) -> None:
    repository = _open(options)
    if options.action == "list":
        found = [
            {"current": name == repository.key, "id": name, "userName": "root",
             "hostName": os.uname().nodename, "created": kept["created"]}
            for name, kept in repository.keys().items()
        ]  # fmt: skip
        say(json.dumps(found) if options.json else "\n".join(str(item["id"])[:8] for item in found))
    elif options.action == "add":
        if not options.new_password_file:
            raise ToolError("Fatal: the stand-in for restic takes --new-password-file alone")
        name = repository.add_key(Path(options.new_password_file).read_text().strip())
        say(f"saved new key with ID {name}")
    else:
        for name in options.id:
            repository.remove_key(name)
            say(f"removed key {name}")


# What a snapshot holds


def _walk(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from _walk(child)


def _node(path: Path, repository: Repository, known: set[str]) -> dict[str, Any] | None:
    """Return what is kept of a file, folder or link, None for anything else."""
    status = path.lstat()
    node: dict[str, Any] = {
        "name": path.name, "path": str(path), "mode": stat.S_IMODE(status.st_mode),
        "mtime": status.st_mtime, "uid": status.st_uid, "gid": status.st_gid,
    }  # fmt: skip
    if path.is_symlink():
        return node | {"type": "symlink", "linktarget": str(path.readlink())}
    if path.is_dir():
        return node | {"type": "dir"}
    if not path.is_file():
        return None
    pieces, size = [], 0
    with path.open("rb") as file:
        while content := file.read(CHUNK):
            size += len(content)
            pieces.append(repository.store(content, known))
    return node | {"type": "file", "size": size, "content": pieces}


def _moment(given: str | None) -> datetime:
    """Return the time of a snapshot: as given, in the host's own zone, or now."""
    if given is None:
        return datetime.now(UTC)
    return datetime.strptime(given, "%Y-%m-%d %H:%M:%S").astimezone(UTC)  # the host's own


def _backup(options: Namespace) -> int:
    repository = _open(options)
    known = repository.pieces()
    nodes: dict[str, dict[str, Any]] = {}
    unread = 0
    starts = [Path(os.path.abspath(given)) for given in options.path]  # noqa: PTH100  # links must stay links
    if not any(os.path.lexists(start) for start in starts):
        raise ToolError(f"{starts[0]} does not exist, skipping\n"
                        "Fatal: all source directories/files do not exist")  # fmt: skip
    for start in starts:
        if not os.path.lexists(start):
            complain(f"{start} does not exist, skipping")
            unread += 1
            continue
        for parent in reversed(start.parents[:-1]):
            nodes[str(parent)] = _node(parent, repository, known) or {}
        for path in _walk(start):
            try:
                node = _node(path, repository, known)
            except OSError as error:
                complain(f"error: {error.strerror}: {path}")
                unread += 1
                continue
            if node is not None:
                nodes[str(path)] = node
    size = sum(node.get("size", 0) for node in nodes.values())
    snapshot = {
        "time": _moment(options.time).isoformat(), "hostname": options.host or os.uname().nodename,
        "tags": [tag for given in options.tag or () for tag in given.split(",")],
        "paths": sorted(str(start) for start in starts),
        "nodes": list(nodes.values()),
    }  # fmt: skip
    identity = repository.add_snapshot(snapshot)
    if options.json:
        files = sum(node["type"] == "file" for node in nodes.values())
        say(json.dumps({"message_type": "summary", "files_new": files, "data_added": size,
                        "total_files_processed": files, "total_bytes_processed": size,
                        "snapshot_id": identity}))  # fmt: skip
    else:
        say(f"snapshot {identity[:8]} saved")
    return _UNREAD if unread else 0


# Looking at snapshots


def _chosen(repository: Repository, options: Namespace) -> list[dict[str, Any]]:
    """Return the snapshots that host and tags choose: all tags of one list, any of the lists."""
    lists = [set(given.split(",")) for given in options.tag or ()]
    return [
        snapshot
        for snapshot in repository.snapshots()
        if (not options.host or snapshot["hostname"] == options.host)
        and (not lists or any(tags <= set(snapshot["tags"]) for tags in lists))
    ]


def _snapshot(repository: Repository, name: str) -> dict[str, Any]:
    found = repository.snapshots()
    if name != "latest":
        found = [snapshot for snapshot in found if snapshot["id"].startswith(name)]
    if not found:
        raise ToolError(f'Fatal: failed to find snapshot: no matching ID found for prefix "{name}"')
    return found[-1]


def _without_nodes(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in snapshot.items() if key != "nodes"}


def _snapshots(options: Namespace) -> None:
    repository = _open(options)
    chosen = _chosen(repository, options)
    latest = {snapshot["id"] for snapshot in chosen[-1:]} if "latest" in options.snapshot else set()
    found = [
        _without_nodes(snapshot)
        for snapshot in chosen
        if not options.snapshot
        or snapshot["id"] in latest
        or any(snapshot["id"].startswith(name) for name in options.snapshot)
    ]
    if options.json:
        say(json.dumps(found))
        return
    for item in found:
        say(f"{item['short_id']}  {item['time']}  {item['hostname']}  {','.join(item['tags'])}")
    say(f"{len(found)} snapshots")


def _tag(options: Namespace) -> None:
    """Change tags: a snapshot is stored anew under another id, and `original` names the first."""
    repository = _open(options)
    for snapshot in _chosen(repository, options):
        if options.snapshot and not any(
            snapshot["id"].startswith(item) for item in options.snapshot
        ):
            continue
        identity = snapshot.pop("id")
        snapshot.pop("short_id")
        snapshot.setdefault("original", identity)
        tags = [tag for tag in snapshot["tags"] if tag not in (options.remove or ())]
        snapshot["tags"] = [*dict.fromkeys((*tags, *(options.add or ())))]
        if repository.add_snapshot(snapshot) != identity:
            repository.remove_snapshot(identity)
    say("modified tags")


def _beneath(path: str, folders: Sequence[str]) -> bool:
    return not folders or any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _ls(options: Namespace) -> None:
    snapshot = _snapshot(_open(options), options.snapshot)
    if options.json:
        say(json.dumps(_without_nodes(snapshot) | {"struct_type": "snapshot"}))
    for node in snapshot["nodes"]:
        if _beneath(node["path"], [text.rstrip("/") for text in options.path]):
            shown = {key: value for key, value in node.items() if key != "content"}
            say(json.dumps(shown | {"struct_type": "node"}) if options.json else node["path"])


def _dump(options: Namespace) -> None:
    repository = _open(options)
    snapshot = _snapshot(repository, options.snapshot)
    for node in snapshot["nodes"]:
        if node["path"] == options.file and node["type"] == "file":
            for piece in node["content"]:
                sys.stdout.buffer.write(repository.piece(piece))
            sys.stdout.buffer.flush()
            return
    raise ToolError(f'Fatal: cannot dump file: path "{options.file}" not found in snapshot')


def _restore(options: Namespace) -> None:
    repository = _open(options)
    snapshot = _snapshot(repository, options.snapshot)
    target = Path(options.target)
    folders = []
    for node in snapshot["nodes"]:
        if not _beneath(node["path"], [item.rstrip("/") for item in options.include or ()]):
            continue
        place = target / node["path"].lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if node["type"] == "dir":
            place.mkdir(exist_ok=True)
            folders.append((place, node))
        elif node["type"] == "symlink":
            place.unlink(missing_ok=True)
            place.symlink_to(node["linktarget"])
        else:
            with place.open("wb") as file:
                for piece in node["content"]:
                    file.write(repository.piece(piece))
            place.chmod(node["mode"])
            os.utime(place, (node["mtime"], node["mtime"]))
    for place, node in reversed(folders):
        place.chmod(node["mode"])
        os.utime(place, (node["mtime"], node["mtime"]))
    say(f"restoring snapshot {snapshot['short_id']} to {target}")


def _stats(options: Namespace) -> None:
    repository = _open(options)
    found = repository.snapshots()
    if options.snapshot:
        found = [_snapshot(repository, name) for name in options.snapshot]
    size = sum(node.get("size", 0) for snapshot in found for node in snapshot["nodes"])
    say(json.dumps({"total_size": size, "snapshots_count": len(found)}))


# Keeping the repository in order


def kept_by(options: Namespace, snapshots: Sequence[dict[str, Any]]) -> set[str]:
    """Return the ids that the `--keep-*` options keep among the snapshots of one group.

    As restic counts: the kinds overlap, and each keeps the last snapshot of its periods.
    """
    newest_first = sorted(snapshots, key=lambda one: str(one["time"]), reverse=True)
    kept = {snapshot["id"] for snapshot in newest_first[: options.keep_last or 0]}
    kept |= {
        snapshot["id"]
        for snapshot in snapshots
        if set(options.keep_tag or ()) & set(snapshot["tags"])
    }
    for kind, pattern in _PERIODS.items():
        left = getattr(options, f"keep_{kind}") or 0
        seen = ""
        for snapshot in newest_first:
            period = datetime.fromisoformat(snapshot["time"]).strftime(pattern)
            if left and period != seen:
                kept.add(snapshot["id"])
                left -= 1
                seen = period
    return kept


def _forget(options: Namespace) -> None:
    repository = _open(options)
    found = _chosen(repository, options)
    asked = [
        item["id"] for item in found if any(item["id"].startswith(o) for o in options.snapshot)
    ]
    keeps = any(getattr(options, f"keep_{kind}") for kind in (*_PERIODS, "last"))
    if not (keeps or asked):
        raise ToolError("Fatal: no policy was specified, no snapshots will be removed")
    groups: dict[str, list[dict[str, Any]]] = {}
    keys = {"host": "hostname", "hosts": "hostname", "tags": "tags", "tag": "tags"}
    by = [keys.get(part, "paths") for part in options.group_by.split(",") if part]
    for item in found:
        groups.setdefault(json.dumps([item[key] for key in by]), []).append(item)
    removed = set(asked)
    if keeps:
        kept = {text for group in groups.values() for text in kept_by(options, group)}
        removed |= {item["id"] for item in found} - kept
    for identity in sorted(removed):
        repository.remove_snapshot(identity)
    say(f"{len(removed)} snapshots have been removed")
    if options.prune:
        _prune_pieces(repository)


def _prune_pieces(repository: Repository) -> None:
    used = {
        piece
        for snapshot in repository.snapshots()
        for node in snapshot["nodes"]
        for piece in node.get("content", ())
    }
    for piece in repository.pieces() - used:
        repository.shelf.remove(f"data/{piece}")


def _prune(options: Namespace) -> None:
    _prune_pieces(_open(options))


def _read_again(options: Namespace, there: set[str]) -> set[str]:
    """Return the pieces that a check reads: a share is chosen anew each time, and never none."""
    share = str(options.read_data_subset or "")
    if options.read_data or not there:
        return there
    if not share.endswith("%"):
        return there if share else set()
    number = max(1, int(len(there) * float(share[:-1]) / 100))
    return set(random.sample(sorted(there), min(number, len(there))))


def _check(options: Namespace) -> None:
    repository = _open(options)
    there = repository.pieces()
    reads = _read_again(options, there)
    for snapshot in repository.snapshots():
        for node in snapshot["nodes"]:
            for piece in node.get("content", ()):
                if piece not in there:
                    raise ToolError(f"Fatal: repository contains errors: blob {piece[:8]} missing")
    for piece in sorted(reads):
        repository.piece(piece)
    say("no errors were found")


def _unlock(options: Namespace) -> None:
    _open(options)
    say("successfully removed 0 locks")


def _version(_options: Namespace) -> None:
    say("restic 0.0.0 (stand-in of the rehearsal)")


def _parser() -> ArgumentParser:
    parser = ArgumentParser("restic")
    common = ArgumentParser(add_help=False)
    common.add_argument("-r", "--repo")
    common.add_argument("-p", "--password-file")
    common.add_argument("-o", "--option", action="append")
    common.add_argument("--cache-dir")
    common.add_argument("--retry-lock")
    for flag in ("--json", "--no-cache", "--no-lock", "-q|--quiet", "-v|--verbose"):
        common.add_argument(*flag.split("|"), action="store_true")
    choosing = ArgumentParser(add_help=False)
    choosing.add_argument("-H", "--host")
    choosing.add_argument("--tag", action="append")
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name: str, call: Any, *, chooses: bool = False) -> ArgumentParser:
        sub = verbs.add_parser(name, parents=[common, choosing] if chooses else [common])
        sub.set_defaults(call=call)
        return sub

    verb("init", _init)
    verb("cat", _cat).add_argument("what")
    verb("unlock", _unlock)
    keys = verb("key", _keys)
    keys.add_argument("action", choices=("list", "add", "remove"))
    keys.add_argument("id", nargs="*")
    keys.add_argument("--new-password-file")
    backup = verb("backup", _backup, chooses=True)
    backup.add_argument("path", nargs="+")
    backup.add_argument("--time")
    verb("snapshots", _snapshots, chooses=True).add_argument("snapshot", nargs="*")
    ls = verb("ls", _ls)
    ls.add_argument("snapshot")
    ls.add_argument("path", nargs="*")
    dump = verb("dump", _dump)
    dump.add_argument("snapshot")
    dump.add_argument("file")
    restore = verb("restore", _restore, chooses=True)
    restore.add_argument("snapshot")
    restore.add_argument("-t", "--target", required=True)
    restore.add_argument("-i", "--include", action="append")
    restore.add_argument("--verify", action="store_true")
    stats = verb("stats", _stats, chooses=True)
    stats.add_argument("snapshot", nargs="*")
    stats.add_argument("--mode", choices=["restore-size"])
    _order_verbs(verb)
    verb("version", _version)
    return parser


def _order_verbs(verb: Callable[..., ArgumentParser]) -> None:
    """Add what keeps the repository in order."""
    tag = verb("tag", _tag, chooses=True)
    tag.add_argument("snapshot", nargs="*")
    tag.add_argument("--add", action="append")
    tag.add_argument("--remove", action="append")
    forget = verb("forget", _forget, chooses=True)
    forget.add_argument("snapshot", nargs="*")
    forget.add_argument("--prune", action="store_true")
    forget.add_argument("-g", "--group-by", default="host,paths")
    forget.add_argument("--keep-tag", action="append")
    for kind in (*_PERIODS, "last"):
        forget.add_argument(f"--keep-{kind}", type=int)
    verb("prune", _prune)
    check = verb("check", _check)
    check.add_argument("--read-data", action="store_true")
    check.add_argument("--read-data-subset")


def main(arguments: Sequence[str]) -> int:
    """Run the stand-in for restic with these arguments and return its exit status."""
    fault = told_to_fail("restic")
    if fault is not None:
        complain("Fatal: rehearsed failure")
        return fault
    options = _parser().parse_args(arguments)
    try:
        return options.call(options) or 0
    except ToolError as error:
        complain(str(error))
        return error.status
    except OSError as error:
        complain(f"Fatal: {error.strerror}: {error.filename}")
        return 1
    except Exception as error:  # noqa: BLE001  # the client library has many; none may show a traceback
        complain(f"Fatal: {type(error).__name__}: {getattr(error, 'code', '')}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
