"""`systemctl` of the rehearsed host: units from its scratch root, oneshot services really run."""

import fcntl
import hashlib
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from readers.systemd.unit import Unit, full_name
from rehearsal.world.host_tools import unit_run
from rehearsal.world.host_tools.surroundings import (
    ToolError,
    complain,
    on_host,
    root,
    say,
    state,
    told_to_fail,
)
from rehearsal.world.host_tools.units import (
    FOLDER,
    VENDOR,
    UnitError,
    load,
    location,
)

_NOT_ACTIVE = 3


class Memory:
    """What PID 1 remembers of its units: state, result, last start, the file as loaded."""

    def __init__(self) -> None:
        self._file = state() / "systemd.json"
        self.units: dict[str, dict[str, Any]] = {}

    @contextmanager
    def held(self) -> Iterator["Memory"]:
        """Read it, let it be changed, write it back; one command at a time."""
        with (state() / "systemd.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.units = json.loads(self._file.read_text()) if self._file.exists() else {}
            yield self
            scratch = self._file.with_suffix(".new")
            scratch.write_text(json.dumps(self.units, indent=1))
            scratch.replace(self._file)

    def of(self, name: str) -> dict[str, Any]:
        """Return what is remembered of a unit, to be changed in place."""
        return self.units.setdefault(
            name, {"active": "inactive", "result": "success", "status": 0, "last": None, "hash": ""}
        )


def _digest(name: str) -> str:
    path = location(name)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _known(name: str) -> Unit | None:
    """Return the unit, None for one that a host brings along.

    Raises:
        ToolError: it cannot be loaded.
    """
    if name in VENDOR and not location(name).exists():
        return None
    try:
        return load(name)
    except UnitError as error:
        status = 5 if "not found" in str(error) else 1
        raise ToolError(f"Failed to load {name}: {error}", status) from error


def _warn_when_changed(memory: Memory, name: str) -> None:
    remembered = memory.of(name)
    now = _digest(name)
    if remembered["hash"] and now and remembered["hash"] != now:
        complain(
            f"Warning: The unit file, source configuration file or drop-ins of {name} changed on "
            "disk. Run 'systemctl daemon-reload' to reload units."
        )
    elif not remembered["hash"]:
        remembered["hash"] = now


def _start(memory: Memory, name: str) -> None:
    unit = _known(name)
    _warn_when_changed(memory, name)
    remembered = memory.of(name)
    remembered["last"] = datetime.now(UTC).isoformat(timespec="seconds")
    oneshot = unit is not None and unit.value("Service", "Type", "simple") == "oneshot"
    if unit is None or unit.kind != "service" or not oneshot:
        remembered["active"] = "active"
        return
    ended = unit_run.run(unit)
    remembered.update(result=ended.result, status=ended.status)
    stays = unit.value("Service", "RemainAfterExit").lower() in {"yes", "true", "1", "on"}
    good = ended.result == "success"
    remembered["active"] = ("active" if stays else "inactive") if good else "failed"
    for follower in unit.words("Unit", "OnSuccess" if good else "OnFailure"):
        try:
            _start(memory, full_name(follower))
        except ToolError as error:
            complain(str(error))
    if not good:
        raise ToolError(
            f"Job for {name} failed because the control process exited with error code.\n"
            f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.'
        )


def _links(unit: Unit) -> list[tuple[str, str]]:
    return [
        (target, kind)
        for key, kind in (("WantedBy", "wants"), ("RequiredBy", "requires"))
        for target in unit.words("Install", key)
    ]


def _enable(name: str) -> None:
    unit = _known(name)
    if unit is None:
        return
    if not _links(unit):
        complain(f"The unit files have no installation config (WantedBy=, ...): {name}")
    for target, kind in _links(unit):
        folder = on_host(f"{FOLDER}/{target}.{kind}")
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{FOLDER}/{location(name).name}")
            complain(f"Created symlink {FOLDER}/{target}.{kind}/{name} -> {FOLDER}/{name}.")


def _links_to(name: str) -> list[Path]:
    # The links point at paths of the host, so from here they lead nowhere; that is no matter.
    folders = [*on_host(FOLDER).glob("*.wants"), *on_host(FOLDER).glob("*.requires")]
    return [folder / name for folder in folders if (folder / name).is_symlink()]


def _enabled(name: str) -> bool:
    return bool(_links_to(name)) or name in VENDOR


def _disable(name: str) -> None:
    found = _links_to(name)
    if not found and not location(name).exists() and name not in VENDOR:
        raise ToolError(f"Failed to disable unit: Unit file {name} does not exist.")
    for link in found:
        link.unlink()
        if not any(link.parent.iterdir()):
            link.parent.rmdir()


def _reload(memory: Memory, _options: Namespace) -> int:
    for name in list(memory.units):
        memory.of(name)["hash"] = _digest(name)
        if not location(name).exists() and memory.of(name)["active"] != "active":
            del memory.units[name]
    return 0


def _enable_all(memory: Memory, options: Namespace) -> int:
    for name in options.unit:
        _enable(name)
        if options.now:
            _start(memory, name)
    return 0


def _disable_all(memory: Memory, options: Namespace) -> int:
    for name in options.unit:
        _disable(name)
        if options.now:
            memory.of(name)["active"] = "inactive"
    return 0


def _start_all(memory: Memory, options: Namespace) -> int:
    for name in options.unit:
        _start(memory, name)
    return 0


def _stop_all(memory: Memory, options: Namespace) -> int:
    for name in options.unit:
        if name not in memory.units and not location(name).exists() and name not in VENDOR:
            raise ToolError(f"Failed to stop {name}: Unit {name} not loaded.", 5)
        memory.of(name)["active"] = "inactive"
    return 0


def _reset_all(memory: Memory, options: Namespace) -> int:
    for name in options.unit or list(memory.units):
        if memory.of(name)["active"] == "failed":
            memory.of(name).update(active="inactive", result="success", status=0)
    return 0


def _active_word(memory: Memory, name: str) -> str:
    if name in VENDOR and name not in memory.units:
        return "active"
    return str(memory.units.get(name, {"active": "inactive"})["active"])


def _is_active(memory: Memory, options: Namespace) -> int:
    words = [_active_word(memory, name) for name in options.unit]
    if not options.quiet:
        say("\n".join(words))
    return 0 if "active" in words else _NOT_ACTIVE


def _is_failed(memory: Memory, options: Namespace) -> int:
    words = [_active_word(memory, name) for name in options.unit]
    if not options.quiet:
        say("\n".join(words))
    return 0 if "failed" in words else 1


def _is_enabled(_memory: Memory, options: Namespace) -> int:
    words = []
    for name in options.unit:
        if not location(name).exists() and name not in VENDOR:
            complain(f"Failed to get unit file state for {name}: No such file or directory")
            return 1
        words.append("enabled" if _enabled(name) else "disabled")
    if not options.quiet:
        say("\n".join(words))
    return 0 if "enabled" in words else 1


def _properties(memory: Memory, name: str) -> dict[str, str]:
    there = location(name).exists() or name in VENDOR
    remembered = memory.units.get(name, {})
    return {
        "Id": name, "LoadState": "loaded" if there else "not-found",
        "ActiveState": _active_word(memory, name), "Result": remembered.get("result", "success"),
        "UnitFileState": "enabled" if _enabled(name) else "disabled" if there else "",
        "ExecMainStatus": str(remembered.get("status", 0)), "FragmentPath": f"{FOLDER}/{name}",
        "ExecMainStartTimestamp": remembered.get("last") or "",
        "LastTriggerUSec": remembered.get("last") or "",
    }  # fmt: skip


def _show(memory: Memory, options: Namespace) -> int:
    wanted = [part for given in options.property or () for part in given.split(",")]
    for name in options.unit:
        for key, value in _properties(memory, name).items():
            if not wanted or key in wanted:
                say(value if options.value else f"{key}={value}")
    return 0


def _status(memory: Memory, options: Namespace) -> int:
    for name in options.unit:
        shown = _properties(memory, name)
        if shown["LoadState"] == "not-found":
            raise ToolError(f"Unit {name} could not be found.", 4)
        say(f"{name}\n  Loaded: {shown['LoadState']} ({shown['UnitFileState']})\n"
            f"  Active: {shown['ActiveState']} (Result: {shown['Result']})")  # fmt: skip
    return (
        0 if all(_active_word(memory, pair) == "active" for pair in options.unit) else _NOT_ACTIVE
    )


def _cat(_memory: Memory, options: Namespace) -> int:
    for name in options.unit:
        if not location(name).exists():
            raise ToolError(f"No files found for {name}.")
        say(f"# {FOLDER}/{name}\n{location(name).read_text()}")
    return 0


def _timers(memory: Memory, options: Namespace) -> int:
    rows = []
    for path in sorted(on_host(FOLDER).glob("*.timer")):
        if _active_word(memory, path.name) == "active" or options.all:
            unit = load(path.name)
            last = memory.units.get(unit.triggers, {}).get("last")
            rows.append({"next": ", ".join(unit.values("Timer", "OnCalendar")), "last": last,
                         "unit": path.name, "activates": unit.triggers})  # fmt: skip
    if options.output == "json":
        say(json.dumps(rows))
        return 0
    say("NEXT\tLAST\tUNIT\tACTIVATES")
    for row in rows:
        say("\t".join(str(value or "-") for value in row.values()))
    say(f"\n{len(rows)} timers listed.")
    return 0


def _units(memory: Memory, options: Namespace) -> int:
    for name, remembered in sorted(memory.units.items()):
        if remembered["active"] in {"active", "failed"} and (
            not options.failed or remembered["active"] == "failed"
        ):
            say(f"{name}\tloaded\t{remembered['active']}")
    return 0


_VERBS = {
    "daemon-reload": _reload, "enable": _enable_all, "disable": _disable_all,
    "start": _start_all, "restart": _start_all, "reload": _start_all,
    "try-restart": _start_all, "reload-or-restart": _start_all, "stop": _stop_all,
    "is-active": _is_active, "is-enabled": _is_enabled, "is-failed": _is_failed, "show": _show,
    "status": _status, "cat": _cat, "list-timers": _timers, "list-units": _units,
    "reset-failed": _reset_all,
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run `systemctl` with these arguments and return its exit status."""
    parser = ArgumentParser("systemctl")
    parser.add_argument("verb", choices=list(_VERBS))
    parser.add_argument("unit", nargs="*")
    for flag in ("--now", "--no-block", "--no-pager", "--no-legend", "--failed", "--value",
                 "--no-reload", "--full", "--plain"):  # fmt: skip
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("-a", "--all", action="store_true")
    parser.add_argument("-p", "--property", action="append")
    parser.add_argument("-o", "--output", default="table")
    options = parser.parse_intermixed_args(arguments)
    options.unit = [full_name(pair) for pair in options.unit]
    fault = told_to_fail("systemctl")
    if fault is not None:
        complain("Failed to connect to bus: rehearsed failure")
        return fault
    try:
        root()
        with Memory().held() as memory:
            try:
                return _VERBS[options.verb](memory, options)
            except (ToolError, UnitError) as error:
                complain(str(error))
                return getattr(error, "status", 1)
    except ToolError as error:
        complain(str(error))
        return error.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
