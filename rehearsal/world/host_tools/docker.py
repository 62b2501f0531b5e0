"""`docker` of the rehearsed host: what scripts ask of it, through the engine's HTTP API."""

import json
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from rehearsal.world.host_tools.engine_client import Engine
from rehearsal.world.host_tools.surroundings import ToolError, complain, say, told_to_fail

_EXPRESSION = re.compile(r"\{\{\s*(json\s+)?((?:\.\w+)+|\.)\s*\}\}")
_INDEXED = re.compile(r"\{\{\s*(json\s+)?index\s+((?:\.\w+)+)\s+\"([^\"]+)\"\s*\}\}")


def _reach(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        if not isinstance(value, dict) or name not in value:
            raise ToolError(f'template parsing error: map has no entry for key "{name}"')
        value = value[name]
    return value


def _text(value: Any, *, as_json: bool) -> str:
    if as_json or isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def render(template: str, value: Any) -> str:
    """Fill a `--format` template: paths, `json` and `index`, not the rest of Go's templates."""
    text = _INDEXED.sub(
        lambda m: _text(_reach(value, m[2]).get(m[3], "<no value>"), as_json=bool(m[1])), template
    )
    text = _EXPRESSION.sub(lambda m: _text(_reach(value, m[2]), as_json=bool(m[1])), text)
    if "{{" in text:
        raise ToolError(f"the rehearsed docker does not know the template {template}")
    return text.replace("\\t", "\t").replace("\\n", "\n")


def _filters(given: Sequence[str] | None) -> str:
    filters: dict[str, list[str]] = {}
    for item in given or ():
        name, _, value = item.partition("=")
        filters.setdefault(name, []).append(value)
    return json.dumps(filters)


def _ps(engine: Engine, options: Namespace) -> None:
    listed = engine.ask(
        "GET", "/containers/json", all=str(int(options.all)), filters=_filters(options.filter)
    )
    rows = [
        {
            "ID": container["Id"][:12], "Image": container["Image"],
            "Names": container["Names"][0][1:], "Status": container["Status"],
            "State": container["State"], "Command": f'"{container["Command"]}"',
            "Labels": ",".join(f"{k}={v}" for k, v in container["Labels"].items()),
            "Ports": ", ".join(
                f"{p['IP']}:{p['PublicPort']}->{p['PrivatePort']}/{p['Type']}"
                for p in container["Ports"] if "PublicPort" in p
            ),
        }
        for container in listed
    ]  # fmt: skip
    if options.quiet:
        template = "{{.ID}}"
    else:
        template = options.format or "{{.ID}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
        if not options.format:
            say("CONTAINER ID\tIMAGE\tSTATUS\tPORTS\tNAMES")
    template = "{{json .}}" if template == "json" else template
    for row in rows:
        say(render(template, row))


def _inspect(engine: Engine, options: Namespace) -> int:
    found, missing = [], False
    kinds = [options.type] if options.type else ["container", "image", "volume", "network"]
    paths = {"container": "/containers/{}/json", "image": "/images/{}/json",
             "volume": "/volumes/{}", "network": "/networks/{}"}  # fmt: skip
    for name in options.name:
        for kind in kinds:
            value = engine.ask("GET", paths[kind].format(name), missing_is_none=True)
            if value is not None:
                found.append(value)
                break
        else:
            missing = True
            complain(f"Error: No such {options.type or 'object'}: {name}")
    if options.format:
        for value in found:
            say(render("{{json .}}" if options.format == "json" else options.format, value))
    else:
        say(json.dumps(found, indent=4))
    return int(missing)


def _start(engine: Engine, options: Namespace) -> None:
    for name in options.name:
        engine.ask("POST", f"/containers/{name}/start")
        say(name)


def _pull(engine: Engine, options: Namespace) -> None:
    for name in options.name:
        engine.pull(name)
        say(name)


def _version(engine: Engine, options: Namespace) -> None:
    server = engine.ask("GET", "/version")
    value = {"Server": server, "Client": {"Version": server["Version"]}}
    say(render(options.format, value) if options.format else json.dumps(value, indent=2))


def _parser() -> ArgumentParser:
    parser = ArgumentParser("docker")
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name: str, call: Any, names: str = "+") -> ArgumentParser:
        sub = verbs.add_parser(name)
        sub.add_argument("-f", "--format") if name == "inspect" else sub.add_argument("--format")
        if names:
            sub.add_argument("name", nargs=names)
        sub.set_defaults(call=call)
        return sub

    ps = verb("ps", _ps, "")
    for flag in (("-a", "--all"), ("-q", "--quiet"), ("--no-trunc",)):
        ps.add_argument(*flag, action="store_true")
    ps.add_argument("-f", "--filter", action="append")
    verb("inspect", _inspect).add_argument("--type")
    verb("start", _start)
    verb("pull", _pull).add_argument("-q", "--quiet", action="store_true")
    volume = verbs.add_parser("volume").add_subparsers(required=True).add_parser("inspect")
    volume.add_argument("-f", "--format")
    volume.add_argument("name", nargs="+")
    volume.set_defaults(call=_inspect, type="volume")
    verb("version", _version, "")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `docker` with these arguments and return its exit status."""
    fault = told_to_fail("docker")
    if fault is not None:
        complain("Error response from daemon: rehearsed failure")
        return fault
    try:
        if arguments[:1] == ["compose"]:
            from rehearsal.world.host_tools import compose  # noqa: PLC0415  # YAML is slow

            return compose.main(arguments[1:])
        options = _parser().parse_args(arguments)
        return options.call(Engine(), options) or 0
    except ToolError as error:
        complain(str(error))
        return error.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
