"""What a plugin's schema says of a resource type, read off the source of the installed SDK.

The source is read, not imported: importing `pulumi_cloudflare` alone takes seconds and some
380 MB, which an engine that only drives providers need not spend.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pulumi_kit.checking import Shape


@dataclass(frozen=True)
class Schema:
    """Inputs and outputs of one resource type.

    Attributes:
        inputs: Shape of the inputs.
        outputs: Every output property, in camel case.
        always: Outputs that are never absent: what the provider decides when an input is left out.
    """

    inputs: Shape
    outputs: frozenset[str]
    always: frozenset[str]

    @property
    def computed(self) -> frozenset[str]:
        """Outputs that cannot be given as inputs."""
        return self.outputs - self.inputs.names


_NESTED = re.compile(r"'(\w+Args)'")
_TOP = re.compile(r"^(?=@|class |def )", re.MULTILINE)


@cache
def _source(module: str) -> tuple[Path, str]:
    """Return file and text of a module such as `pulumi_minio.s3_bucket`, without importing it."""
    package, *rest = module.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise LookupError(f"{package} is not installed")
    file = Path(spec.origin).parent.joinpath(*rest).with_suffix(".py")
    return file, file.read_text(encoding="utf-8")


def _class(text: str, name: str) -> ast.ClassDef:
    """Return one class of a module; only its own lines are parsed, as the files are huge."""
    start = re.search(rf"^class {name}\b", text, re.MULTILINE)
    if start is None:
        raise LookupError(f"the SDK has no class {name}")
    end = _TOP.search(text, start.end())
    found = ast.parse(text[start.start() : end.start() if end else len(text)]).body[0]
    assert isinstance(found, ast.ClassDef)  # noqa: S101 - the pattern starts at a class
    return found


def _getters(found: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Yield Python name, name in the schema, and annotation of every property."""
    for member in found.body:
        if not isinstance(member, ast.FunctionDef) or not member.returns:
            continue
        for decorator in member.decorator_list:
            if ast.unparse(decorator).startswith("pulumi.getter"):
                told = [word.value for word in getattr(decorator, "keywords", [])]
                name = ast.literal_eval(told[0]) if told else member.name
                yield member.name, name, ast.unparse(member.returns)


def _shape(module: str, class_name: str) -> Shape:
    """Read the shape off one `...Args` class; nested ones stand in `_inputs` beside it."""
    file, text = _source(module)
    found = _class(text, class_name)
    init = next(
        member
        for member in found.body
        if isinstance(member, ast.FunctionDef) and member.name == "__init__"
    )
    names = {python: name for python, name, _ in _getters(found)}
    nested: dict[str, Shape] = {}
    required: set[str] = set()
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        if default is None:
            required.add(names[argument.arg])
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        if inner := _NESTED.search(annotation):
            place = module if file.stem == "_inputs" else f"{module.rpartition('.')[0]}._inputs"
            nested[names[argument.arg]] = _shape(place, inner[1])
    return Shape(frozenset(names.values()), frozenset(required), nested)


@cache
def of(place: str) -> Schema:
    """Return the schema of a resource class, given as `package.module:Class`."""
    module, _, name = place.partition(":")
    outputs = {key: told for _, key, told in _getters(_class(_source(module)[1], name))}
    return Schema(
        inputs=_shape(module, f"{name}Args"),
        outputs=frozenset(outputs),
        always=frozenset(key for key, told in outputs.items() if "Optional[" not in told),
    )


@cache
def of_provider(package: str) -> Shape:
    """Return the shape of a provider's configuration, given the SDK's package."""
    return _shape(f"{package}.provider", "ProviderArgs")
