"""Resources as an engine shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from declaration.model import Declaration
from policies import UNKNOWN, Resource, Secret, check_views
from policies.program import Prepared
from policies.stack import Stack
from policies.views import SENTINELS, name_of, plain, resources_of_views
from rehearsal.engine.model import ResourceView
from rehearsal.engine.values import UNKNOWN as ENGINE_UNKNOWN
from rehearsal.engine.values import Sealed


@dataclass(frozen=True)
class _View:
    """What the least engine shows."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    provider: str = ""
    parent: str = ""
    dependencies: tuple[str, ...] = ()
    protect: bool = False


def _sealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return Sealed(_sealed(value.value))
    if isinstance(value, dict):
        return {key: _sealed(one) for key, one in value.items()}
    return [_sealed(item) for item in value] if isinstance(value, list) else value


def _shown(resource: Resource) -> _View:
    return _View(
        urn=resource.urn,
        type=resource.type,
        name=resource.name,
        inputs=_sealed(resource.properties),
        dependencies=resource.dependencies,
        protect=resource.protect,
    )


def test_the_good_stack_is_good_as_an_engine_shows_it(good: Stack) -> None:
    views = [_shown(resource) for resource in good.resources]

    assert check_views(good.declaration, views).violations == ()


def test_a_mistake_is_seen_as_an_engine_shows_it(good: Stack) -> None:
    views = [_shown(resource) for resource in good.resources if resource.name != "dmarc"]

    violations = check_views(good.declaration, views).violations

    assert {violation.rule for violation in violations} == {"dmarc-single"}


def test_an_engines_marks_become_ours() -> None:
    assert plain(Sealed("x")) == Secret("x")
    assert plain(ENGINE_UNKNOWN) is UNKNOWN
    assert plain({"a": [Sealed(ENGINE_UNKNOWN)]}) == {"a": [Secret(UNKNOWN)]}
    assert all(plain(sentinel) is UNKNOWN for sentinel in SENTINELS)


def test_an_engines_view_fits() -> None:
    urn = "urn:pulumi:qual::mail::mail:components:Zone$a:b:C::c"
    view = ResourceView(
        urn, "a:b:C", "c", "1", {"x": "in"}, {"x": ENGINE_UNKNOWN, "y": 1},
        "urn:pulumi:qual::mail::pulumi:providers:a::p::1", "urn:pulumi:qual::mail::z::zone", (),
        protect=True, custom=True,
    )  # fmt: skip

    (found,) = resources_of_views([view])

    assert dict(found.properties) == {"x": "in", "y": 1}
    assert (found.provider, found.parent, found.protect) == ("p", "zone", True)


def test_the_stack_itself_is_no_resource(prepared: Prepared) -> None:
    declaration: Declaration = prepared.declaration
    view = _View(
        "urn:pulumi:qual::mail::pulumi:pulumi:Stack::mail-qual", "pulumi:pulumi:Stack", "m"
    )

    assert resources_of_views([view]) == []
    assert check_views(declaration, [view]).violations


def test_a_name_is_the_end_of_a_urn_and_stands_before_an_id() -> None:
    assert name_of("urn:pulumi:s::p::pulumi:providers:a::default::id") == "default"
    assert name_of("") == ""
