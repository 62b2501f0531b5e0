"""Mistakes in a declaration that its shape alone tells: names, required ones, computed ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pulumi_kit.values import Unknown


@dataclass(frozen=True)
class Shape:
    """Names that an object of inputs may have, must have, and what the nested ones look like.

    Attributes:
        names: Every input property, in Pulumi's spelling.
        required: Those that must be given.
        nested: Shape of the properties that are objects, or lists of objects.
    """

    names: frozenset[str]
    required: frozenset[str] = frozenset()
    nested: Mapping[str, "Shape"] = field(default_factory=dict)


def mistakes(
    inputs: Mapping[str, object],
    shape: Shape,
    computed: frozenset[str] = frozenset(),
    path: str = "",
) -> Iterator[tuple[str, str]]:
    """Yield (path, reason) of each input that does not fit the shape.

    Args:
        inputs: The declaration, in plain values.
        shape: What it may look like.
        computed: Names that only the provider sets.
        path: Where in the declaration the object stands.
    """
    for name, value in inputs.items():
        place = f"{path}.{name}" if path else name
        if name in computed:
            yield place, "is computed by the provider and cannot be set"
        elif name not in shape.names:
            yield place, f"is no property here; these are: {', '.join(sorted(shape.names))}"
        elif name in shape.nested:
            yield from _nested_mistakes(value, shape.nested[name], place)
    for name in sorted(shape.required - inputs.keys()):
        yield (f"{path}.{name}" if path else name), "is required"


def _nested_mistakes(value: object, shape: Shape, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield from mistakes(value, shape, path=place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nested_mistakes(item, shape, f"{place}[{index}]")
    elif value is not None and not isinstance(value, Unknown):
        yield place, "must be an object"
