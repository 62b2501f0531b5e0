"""Write what follows from the objects' descriptions: resource classes and the reference page.

Run `python -m pulumi_mailcow.generate` after a description was changed; a test compares.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap

from pulumi_mailcow.configuration import CONFIGURATION
from pulumi_mailcow.describe import Kind, Property
from pulumi_mailcow.objects import OBJECTS
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.version import CHECKED_AGAINST, PACKAGE

PACKAGE_FILE = Path(__file__).with_name("__init__.py")
RESOURCES = Path(__file__).with_name("resources.py")
REFERENCE = Path(__file__).parents[3] / "docs" / "mailcow-provider.md"
TYPES = {
    Kind.TEXT: "str",
    Kind.WHOLE: "int",
    Kind.NUMBER: "float",
    Kind.FLAG: "bool",
    Kind.TEXTS: "list[str]",
}
INPUTS = {**TYPES, Kind.TEXTS: "Sequence[pulumi.Input[str]]"}
WIDTH = 92


def _doc(text: str, indent: str) -> list[str]:
    summary, _, rest = text.partition(". ")
    if len(indent + text) + 6 <= WIDTH:
        return [f'{indent}"""{text}"""']
    first, *more = _wrapped(summary.removesuffix(".") + ".", WIDTH - len(indent) - 3)
    body = [*more, *(["", *_wrapped(rest, WIDTH - len(indent))] if rest else [])]
    if not body:
        return [f'{indent}"""{first}"""']
    lines = [f"{indent}{line}".rstrip() for line in body]
    return [f'{indent}"""{first}', *lines, f'{indent}"""']


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, break_on_hyphens=False)


def _sentence(item: Property) -> str:
    parts = [item.doc]
    if item.choices:
        parts.append("One of " + ", ".join(f"`{choice}`" for choice in item.choices) + ".")
    if item.default is not None:
        parts.append(f"Default: `{item.default!r}`.")
    if item.secret:
        parts.append("Kept encrypted.")
    if item.replaces:
        parts.append("A change makes a new object.")
    return " ".join(parts)


def _arguments(properties: Iterable[Property]) -> list[str]:
    ordered = sorted(properties, key=lambda item: not item.required)
    return [
        f"        {item.name}: pulumi.Input[{INPUTS[item.kind]}]"
        + ("," if item.required else " | None = None,")
        for item in ordered
    ]


def _constructor(
    token: str, properties: Iterable[Property], outputs: Iterable[Property], options: str
) -> list[str]:
    decided = "".join(f', "{item.name}"' for item in outputs)
    return [
        "    def __init__(",
        "        self,",
        "        resource_name: str,",
        "        *,",
        *_arguments(properties),
        f"        opts: {options} | None = None,",
        "    ) -> None:",
        '        """Declare it; each argument is the property of its name."""',
        f"        inputs = _declared(locals(){decided})",
        f'        super().__init__("{token}", resource_name, inputs, opts)',
    ]


def _resource(item: MailcowObject) -> list[str]:
    inputs = [property_ for property_ in item.properties if not property_.output]
    outputs = [property_ for property_ in item.properties if property_.output]
    lines = [
        "",
        "",
        f"class {item.token}(_Named, pulumi.CustomResource):",
        *_doc(item.doc, "    "),
        "",
    ]
    for property_ in item.properties:
        maybe = (
            ""
            if property_.required or property_.output or property_.default is not None
            else " | None"
        )
        lines.append(f"    {property_.name}: pulumi.Output[{TYPES[property_.kind]}{maybe}]")
        first, *more = _wrapped(_sentence(property_), WIDTH - 4)
        lines += [f'    """{first}', *(f"    {line}" for line in more)]
        lines[-1] += '"""'
    lines.append("")
    token = f"{PACKAGE}:index:{item.token}"
    return [*lines, *_constructor(token, inputs, outputs, "pulumi.ResourceOptions")]


def resources() -> str:
    """Return the module of resource classes."""
    lines = [
        '"""Resource classes, written by `python -m pulumi_mailcow.generate`. Do not edit."""',
        "",
        "# ruff: noqa: A002, PLR0913 - one argument for each property, by Mailcow's own words",
        "",
        "from collections.abc import Mapping, Sequence",
        "from typing import Any",
        "",
        "import pulumi",
        "",
        "from pulumi_mailcow.describe import camel, snake",
        "",
        "",
        "def _declared(arguments: Mapping[str, Any], *outputs: str) -> dict[str, Any]:",
        '    """Return what a constructor was given, with what Mailcow decides left open."""',
        '    own = {"self", "__class__", "resource_name", "opts"}',
        "    given = {name: value for name, value in arguments.items() if name not in own}",
        "    return {**given, **dict.fromkeys(outputs)}",
        "",
        "",
        "class _Named:",
        '    """Properties are snake case in Python and camel case in Pulumi."""',
        "",
        "    def translate_output_property(self, prop: str) -> str:",
        '        """Return the name of a property in Python."""',
        "        return snake(prop)",
        "",
        "    def translate_input_property(self, prop: str) -> str:",
        '        """Return the name of a property in Pulumi."""',
        "        return camel(prop)",
        "",
        "",
        "class Provider(_Named, pulumi.ProviderResource):",
        '    """One Mailcow, and how it is reached."""',
        "",
        *_provider_constructor(),
    ]
    for item in OBJECTS:
        lines += _resource(item)
    return "\n".join(lines) + "\n"


def package() -> str:
    """Return the module of the package, which offers the resource classes."""
    names = sorted(["Provider", *(item.token for item in OBJECTS)])
    lines = [
        '"""The local Pulumi package `mailcow`, written by `python -m pulumi_mailcow.generate`."""',
        "",
        "from pulumi_mailcow.resources import (",
        *(f"    {name}," for name in names),
        ")",
        "",
        "__all__ = [",
        *(f'    "{name}",' for name in names),
        "]",
    ]
    return "\n".join(lines) + "\n"


def _provider_constructor() -> list[str]:
    return _constructor(PACKAGE, CONFIGURATION, (), "pulumi.ResourceOptions")


def _table(properties: Iterable[Property]) -> list[str]:
    lines = ["| property | type | | meaning |", "|---|---|---|---|"]
    for item in properties:
        marks = [
            word
            for word, holds in (
                ("required", item.required),
                ("secret", item.secret),
                ("replaces", item.replaces),
                ("not read back", not item.readable),
                ("computed", item.output),
            )
            if holds
        ]
        kind = "list of strings" if item.kind is Kind.TEXTS else item.kind.value
        meaning = item.doc
        if item.choices:
            meaning += " One of " + ", ".join(f"`{choice}`" for choice in item.choices) + "."
        if item.default is not None:
            meaning += f" Default `{item.default!r}`."
        lines.append(f"| `{item.name}` | {kind} | {', '.join(marks)} | {meaning} |")
    return lines


def _section(item: MailcowObject) -> list[str]:
    return [
        "",
        f"## {item.token}",
        "",
        item.doc,
        "",
        *_table(item.properties),
        "",
        (
            f"Import: `pulumi import {PACKAGE}:index:{item.token} NAME ID`, "
            f"where the id is {item.import_id}"
        ),
        "",
        *(["What the API cannot do, and what follows:", ""] if item.limits else []),
        *(f"- {limit}" for limit in item.limits),
        *([""] if item.limits else []),
        "```python",
        item.example,
        "```",
    ]


def reference() -> str:
    """Return the reference page."""
    lines = [
        "# Mailcow provider: reference",
        "",
        "Written by `python -m pulumi_mailcow.generate` from the descriptions in",
        (f"`providers/mailcow/pulumi_mailcow/objects`. Checked against Mailcow {CHECKED_AGAINST}."),
        "",
        "A property left out takes its default, and is put back to it when it was changed by hand.",
        "One without a default is then not managed. Properties marked *replaces* make a new object",
        "when they change. Those *not read back* are remembered from the last write.",
        "",
        "| object | id | cannot be cleared, renamed or read back |",
        "|---|---|---|",
        *(
            f"| [{item.token}](#{item.token.lower()}) | {item.import_id} | "
            f"{' '.join(item.limits) or '-'} |"
            for item in OBJECTS
        ),
        "",
        "## Provider",
        "",
        "One Mailcow, and how it is reached.",
        "",
        *_table(CONFIGURATION),
    ]
    for item in OBJECTS:
        lines += _section(item)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the files; with `--check`, only say whether they are as they should be."""
    wanted = {RESOURCES: resources(), PACKAGE_FILE: package(), REFERENCE: reference()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        return int(bool(stale))
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
