"""Resources from an engine's outcome, whatever engine it is: anything that looks like `View`."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from declaration.model import Declaration
from policies.judging import judge
from policies.model import UNKNOWN, Judgement, Resource, Secret

SENTINELS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""Texts by which Pulumi's protocol says that a value is not known yet, one for each kind."""


class View(Protocol):
    """A resource as an engine shows it: plain values, sealed secrets, unknown ones marked."""

    @property
    def urn(self) -> str:
        """URN."""

    @property
    def type(self) -> str:
        """Type token."""

    @property
    def name(self) -> str:
        """Name."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Inputs by name."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Outputs by name."""

    @property
    def provider(self) -> str:
        """Reference to the provider, or empty."""

    @property
    def parent(self) -> str:
        """URN of the parent, or empty."""

    @property
    def dependencies(self) -> tuple[str, ...]:
        """URNs of the resources that it waits for."""

    @property
    def protect(self) -> bool:
        """Whether it is protected."""


def name_of(urn: str) -> str:
    """Return the name at the end of a URN, or of a reference to a provider."""
    parts = urn.split("::")
    return parts[3] if len(parts) > 3 else ""


def plain(value: Any) -> Any:
    """Return a value with our own marks for what is secret or unknown."""
    if isinstance(value, str):
        return UNKNOWN if str(value) in SENTINELS else value
    if isinstance(value, Secret) or value is UNKNOWN:
        return value
    if callable(getattr(value, "open", None)):
        return Secret(plain(value.open()))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def resources_of_views(views: Iterable[View]) -> list[Resource]:
    """Return the resources that an engine shows.

    What the program asks for goes before what a provider answered: an output that is not known yet
    does not hide a value that is.
    """
    found = []
    for view in views:
        if view.type == "pulumi:pulumi:Stack":
            continue
        properties = {**plain(view.outputs), **plain(view.inputs)}
        found.append(
            Resource(
                urn=view.urn,
                type=view.type,
                name=view.name,
                properties=properties,
                parent=name_of(view.parent),
                provider=name_of(view.provider),
                dependencies=tuple(view.dependencies),
                protect=view.protect,
            )
        )
    return found


def check_views(
    declaration: Declaration,
    views: Iterable[View],
    *,
    previous: Iterable[View] | None = None,
) -> Judgement:
    """Judge a declaration and the resources of an engine's outcome.

    Args:
        declaration: The declaration.
        views: The resources of a preview or an `up`.
        previous: The resources of the state before, if there is one.
    """
    before = None if previous is None else resources_of_views(previous)
    return judge(declaration, resources_of_views(views), previous=before)
