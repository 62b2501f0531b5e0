"""`nft` of the rehearsed host: rule sets are read and kept, never applied to this machine.

`-c` is also put to the genuine `nft` where it is installed and may look at the kernel; it checks
without applying.
"""

import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.world.host_tools.nft_rules import HOOK, mistake
from rehearsal.world.host_tools.surroundings import (
    ToolError,
    complain,
    on_host,
    root,
    say,
    state,
    told_to_fail,
    tools,
)

_TOP = {"table", "flush", "add", "delete", "destroy", "create", "include", "define", "undefine",
        "redefine", "list", "insert", "reset"}  # fmt: skip
_FAMILIES = {"ip", "ip6", "inet", "arp", "bridge", "netdev"}
_IN_TABLE = {"chain", "set", "map", "flags", "comment", "counter", "quota", "limit", "ct",
             "flowtable", "define", "synproxy", "secmark"}  # fmt: skip
_BLOCK = re.compile(r"^(table|chain|set|map|flowtable|counter|limit|quota)( [\w-]+){1,2}$")
_BODY = r"\{(?:[ \t]*\}|.*?^\})\n?"
_EFFECT = re.compile(
    r"(?ms)(?:^|;)[ \t]*(?:(?P<flush>flush ruleset)"
    r"|(?P<how>delete|destroy|flush) table (?P<gone>(?:\w+ )?[\w-]+)"
    rf"|table (?P<table>(?:\w+ )?[\w-]+)(?: (?P<body>{_BODY})|[ \t]*(?=;|$)))"
)
_REFUSED_BY_KERNEL = re.compile(
    r"Operation not permitted|must be root|cache initialization failed|Protocol not supported|"
    r"Could not process rule: No such file|Unable to initialize Netlink"
)


@dataclass
class _Reader:
    """Splits a rule set into (line, statement, blocks around it)."""

    found: list[tuple[int, str, list[str]]] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    inline: int = 0
    current: str = ""

    def read(self, text: str) -> list[tuple[int, str, list[str]]]:
        """Return the statements of `text`.

        Raises:
            ToolError: braces or quotes do not balance.
        """
        for number, raw in enumerate(re.sub(r"\\\n", " ", text).splitlines(), 1):
            line = re.sub(r'("[^"]*")|#.*', lambda m: m[1] or "", raw)
            if line.count('"') % 2:
                raise ToolError(f"{number}: Error: syntax error, unterminated string")
            for part in re.findall(r'"[^"]*"|[{};]|[^{};"]+', line):
                self._take(number, part)
            if self.inline:
                self.current += " "
            else:
                self._end(number)
        if self.blocks or self.inline:
            raise ToolError("Error: syntax error, unexpected end of file, expecting '}'")
        return self.found

    def _end(self, number: int) -> None:
        if self.current.strip():
            self.found.append((number, self.current.strip(), list(self.blocks)))
        self.current = ""

    def _take(self, number: int, part: str) -> None:
        if part == "{" and not self.inline and _BLOCK.match(self.current.strip()):
            self._end(number)
            self.blocks.append(self.found[-1][1])
        elif part == "}" and not self.inline:
            self._end(number)
            if not self.blocks:
                raise ToolError(f"{number}: Error: syntax error, unexpected '}}'")
            self.blocks.pop()
        elif part == ";" and not self.inline:
            self._end(number)
        else:
            self.inline += {"{": 1, "}": -1}.get(part, 0)
            self.current += part


def _mistake_at_top(first: str, statement: str) -> bool:
    words = statement.split()
    if words[:1] != ["table"] and words[1:2] == ["table"]:
        words = words[1:]
    named = len(words) == 2 or (len(words) == 3 and words[1] in _FAMILIES)
    return first not in _TOP or (words[0] == "table" and not named)


def _mistake_in_chain(first: str, statement: str, sets: Collection[str]) -> bool:
    if first == "type":
        return not HOOK.match(re.sub(r"\s+", " ", statement))
    if first == "policy":
        return statement not in {"policy accept", "policy drop"}
    return mistake(statement, sets) is not None


def _is_mistaken(statement: str, blocks: Sequence[str], sets: Collection[str]) -> bool:
    first = re.split(r"[\s{=]", statement, maxsplit=1)[0]
    if not blocks:
        return _mistake_at_top(first, statement)
    if len(blocks) == 1:
        return first not in _IN_TABLE
    return blocks[-1].startswith("chain") and _mistake_in_chain(first, statement, sets)


def check(text: str, name: str) -> None:
    """Refuse what is plainly no rule set.

    Raises:
        ToolError: the first mistake, with its line.
    """
    try:
        statements = _Reader().read(text)
    except ToolError as error:
        raise ToolError(f"{name}:{error}") from None
    known = {
        (tuple(blocks), text.split()[0], text.split()[1])
        for _, text, blocks in statements
        if text.startswith(("chain ", "set ", "map "))
    }
    for line, statement, blocks in statements:
        table = tuple(blocks[:1])
        sets = {one for place, kind, one in known if place == table and kind != "chain"}
        wrong = f"syntax error in {statement}" if _is_mistaken(statement, blocks, sets) else None
        target = re.search(r"\b(?:jump|goto) ([\w-]+)", statement)
        if wrong is None and target and (table, "chain", target[1]) not in known:
            wrong = f"Could not process rule: chain {target[1]} does not exist"
        if wrong is not None:
            raise ToolError(f"{name}:{line}: Error: {wrong}\n{statement}")


def _ask_genuine(path: Path) -> None:
    search = [name for name in ("/usr/sbin", "/sbin", "/usr/bin") if Path(name) != tools()]
    genuine = shutil.which("nft", path=":".join(search))
    if genuine is None:
        return
    done = subprocess.run(  # noqa: S603  # -c changes nothing
        [genuine, "-c", "-f", str(path)], capture_output=True, text=True, timeout=20, check=False
    )
    if done.returncode and not _REFUSED_BY_KERNEL.search(done.stderr):
        raise ToolError(done.stderr.strip(), done.returncode)


def _kept() -> Path:
    return state() / "ruleset.nft"


def _applied(text: str) -> str:
    """Return the rule set that a file leaves: one statement after the other, as the kernel does.

    Raises:
        ToolError: a table is to be deleted that is not there.
    """
    kept = _kept().read_text() if _kept().exists() else ""
    for match in _EFFECT.finditer(text):
        if match["flush"]:
            kept = ""
        elif match["gone"]:
            if match["how"] != "destroy" and not _find(kept, match["gone"]):
                raise ToolError("Error: Could not process rule: No such file or directory\n"
                                f"{match['how']} table {match['gone']}")  # fmt: skip
            kept = _without(kept, match["gone"])
        elif (match["body"] or "").strip("{} \t\n") or not _find(kept, match["table"]):
            # Rules written again would stand there twice on a real host, too; what is kept is
            # the last writing.
            body = (match["body"] or "{\n}").strip()
            kept = _without(kept, match["table"]) + f"table {match['table']} {body}\n"
    return kept


def _find(text: str, table: str) -> str:
    found = re.search(rf"(?ms)^table {re.escape(table)} {_BODY}", text)
    return found[0] if found else ""


def _without(text: str, table: str) -> str:
    return re.sub(rf"(?ms)^table {re.escape(table)} {_BODY}", "", text)


def _list(words: Sequence[str]) -> None:
    kept = _kept().read_text() if _kept().exists() else ""
    if words[:1] == ["ruleset"]:
        say(kept, end="")
        return
    name = " ".join(words[1:])
    found = _find(kept, name)
    if words[:1] == ["tables"]:
        say("\n".join(re.findall(r"(?m)^(table [\w -]+?) \{", kept)))
    elif words[:1] == ["table"] and found:
        say(found, end="")
    else:
        raise ToolError("Error: No such file or directory\nlist " + " ".join(words))


def _file(options_file: str) -> tuple[str, Path | None]:
    if options_file == "-":
        return sys.stdin.read(), None
    path = on_host(options_file)
    if not path.is_file():
        raise ToolError(f'Error: Could not open file "{options_file}": No such file or directory')
    return path.read_text(), path


def _delete(words: Sequence[str], *, missing_is_fine: bool) -> None:
    name = " ".join(words)
    kept = _kept().read_text() if _kept().exists() else ""
    left = _without(kept, name)
    if left == kept and not missing_is_fine:
        raise ToolError(f"Error: No such file or directory\ndelete table {name}")
    _kept().write_text(left)


def _from_file(given: str, *, only_check: bool) -> None:
    text, path = _file(given)
    check(text, given)
    if path is not None:
        _ask_genuine(path)
    left = _applied(text)
    if not only_check:
        _kept().write_text(left)


def _obey(options: Namespace) -> None:
    verb, words = options.words[:1], options.words[1:]
    if options.file:
        _from_file(options.file, only_check=options.check)
    elif verb == ["list"]:
        _list(words)
    elif verb in (["delete"], ["destroy"]) and words[:1] == ["table"]:
        _delete(words[1:], missing_is_fine=verb == ["destroy"])
    elif options.words == ["flush", "ruleset"]:
        _kept().unlink(missing_ok=True)
    else:
        raise ToolError("the rehearsed nft knows -f, -c -f, list, delete table, flush ruleset")


def main(arguments: Sequence[str]) -> int:
    """Run `nft` with these arguments and return its exit status."""
    parser = ArgumentParser("nft")
    parser.add_argument("-c", "--check", action="store_true")
    parser.add_argument("-f", "--file")
    for flag in ("-a", "-s", "-n", "-j"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args(arguments)
    fault = told_to_fail("nft")
    if fault is not None:
        complain("Error: Could not process rule: rehearsed failure")
        return fault
    try:
        root()
        _obey(options)
    except ToolError as error:
        complain(str(error))
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
