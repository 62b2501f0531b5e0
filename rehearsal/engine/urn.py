"""Names of resources as Pulumi builds them, and what an alias stands for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rehearsal.engine.model import ResourceState

ROOT_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def qualified_type(urn: str) -> str:
    """Return the chain of types, parents first, joined by `$`."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """Return the resource's own type."""
    return qualified_type(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """Return the resource's name."""
    return urn.split("::", 3)[3]


def is_provider_type(resource_type: str) -> bool:
    """Return whether resources of this type are configured rather than created."""
    return resource_type.startswith(PROVIDER_PREFIX)


def package_of(resource_type: str) -> str:
    """Return the package whose provider serves the type."""
    if is_provider_type(resource_type):
        return resource_type.removeprefix(PROVIDER_PREFIX)
    return resource_type.split(":", 1)[0]


def split_reference(reference: str) -> tuple[str, str]:
    """Return URN and id of a provider reference."""
    urn, _, resource_id = reference.rpartition("::")
    return urn, resource_id


@dataclass(frozen=True)
class AliasSpec:
    """How a resource was called before; what is None was as it is now."""

    urn: str = ""
    name: str | None = None
    type: str | None = None
    stack: str | None = None
    project: str | None = None
    parent: str | None = None
    no_parent: bool = False


@dataclass(frozen=True)
class Names:
    """Builds the URNs of one stack."""

    stack: str
    project: str

    def urn(self, parent: str, resource_type: str, name: str) -> str:
        """Return the URN of a resource below `parent` (empty for none)."""
        return _build(self.stack, self.project, parent, resource_type, name)

    def aliases(
        self, specs: Iterable[AliasSpec], resource: "ResourceState", parent_was: str | None
    ) -> list[str]:
        """Return every URN that a resource may have had, likeliest first.

        Args:
            specs: What the program says of earlier names.
            resource: The resource as it is called now.
            parent_was: The URN under which the parent was found in the state, where that differs
                from its present one: its children then moved with it.
        """
        parent, now = resource.parent, (resource.type, name_of(resource.urn))
        found = [self._resolve(spec, parent, *now) for spec in specs]
        if parent_was:
            found += [
                self._below_old_parent(parent, parent_was, *was)
                for was in [now, *((type_of(urn), name_of(urn)) for urn in found)]
            ]
        return list(dict.fromkeys(found))

    def _resolve(self, spec: AliasSpec, parent: str, resource_type: str, name: str) -> str:
        if spec.urn:
            return spec.urn
        above = "" if spec.no_parent else parent if spec.parent is None else spec.parent
        return _build(
            spec.stack or self.stack,
            spec.project or self.project,
            above,
            spec.type or resource_type,
            spec.name or name,
        )

    def _below_old_parent(self, parent: str, parent_was: str, child_type: str, child: str) -> str:
        # A child whose name starts with its parent's name was renamed along with it.
        prefix = name_of(parent)
        if child.startswith(prefix):
            child = name_of(parent_was) + child.removeprefix(prefix)
        return self.urn(parent_was, child_type, child)


def _build(stack: str, project: str, parent: str, resource_type: str, name: str) -> str:
    above = qualified_type(parent) if parent else ""
    chain = f"{above}${resource_type}" if above and above != ROOT_TYPE else resource_type
    return f"urn:pulumi:{stack}::{project}::{chain}::{name}"
