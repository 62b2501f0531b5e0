"""Values: plain Python and back, what is secret or unknown, what differs, what is wrong."""

from typing import Any

import pytest
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import PropertyDiffKind

from pulumi_kit import differences
from pulumi_kit.checking import Shape, mistakes
from pulumi_kit.failures import refused
from pulumi_kit.values import (
    UNKNOWN,
    has_unknown,
    is_unknown,
    plain,
    plain_map,
    secret_texts,
    with_marks,
    wrapped,
    wrapped_map,
)


def secret(value: object) -> PropertyValue:
    return wrapped(value, secret=True)


def test_a_value_survives_the_way_to_plain_and_back() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": UNKNOWN}}
    assert plain(wrapped(value)) == value
    assert isinstance(plain(wrapped(3)), int)
    assert has_unknown(value)
    assert not has_unknown({"a": [1]})


def test_notes_of_engine_and_plugins_are_no_values() -> None:
    noted = {"__meta": wrapped("{}"), "rules": wrapped([{"__defaults": [], "id": "a"}])}
    assert plain_map(noted) == {"rules": [{"id": "a"}]}


def test_the_unknown_is_what_engines_send_for_it() -> None:
    assert wrapped(UNKNOWN).marshal().string_value == "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    for value in (PropertyValue("04da6b54-80e4-46f7-96ec-b56ff0331ba9"), PropertyValue.computed()):
        assert is_unknown(value)
        assert plain(value) is UNKNOWN


def test_a_value_that_no_property_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="set is no property value"):
        wrapped({1, 2})


def test_secret_marks_are_kept_where_they_were() -> None:
    like = wrapped({"open": "a", "list": [secret("b"), "c"], "whole": secret({"d": "e"})})
    marked = with_marks(wrapped({"open": "1", "list": ["2", "3"], "whole": {"d": "4"}}), like)
    assert sorted(secret_texts({"it": marked})) == ["2", "4"]


@pytest.mark.parametrize("new", [["x"], ["x", "y", "z"], "x", {"a": "x"}])
def test_what_can_no_longer_be_told_apart_is_secret_as_a_whole(new: object) -> None:
    assert with_marks(wrapped(new), wrapped([secret("b"), "c"])).is_secret


def test_named_outputs_are_secret_whatever_the_inputs_were() -> None:
    sealed = wrapped_map({"key": "k", "name": "n"}, secret=frozenset({"key"}))
    assert (sealed["key"].is_secret, sealed["name"].is_secret) == (True, False)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (1, 1.0, {}),
        (None, "", {}),
        ([], None, {}),
        ({"a": None}, {}, {}),
        (True, 1, {"p": "UPDATE"}),
        (None, "x", {"p": "ADD"}),
        ("x", None, {"p": "DELETE"}),
        ("x", UNKNOWN, {"p": "UPDATE"}),
        (None, UNKNOWN, {"p": "ADD"}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"p.b": "UPDATE"}),
        ([1, 2], [1], {"p[1]": "DELETE"}),
        ([{"a": 1}], [{"a": 1, "b": 2}], {"p[0].b": "ADD"}),
        ([1], {"a": 1}, {"p": "UPDATE"}),
    ],
)
def test_differences_are_found_by_path(old: Any, new: Any, found: dict[str, str]) -> None:
    assert {path: kind.name for path, kind in differences.paths(old, new, "p")} == found


def test_a_difference_of_a_replacing_property_replaces() -> None:
    changes = {
        "data": [("data.port", PropertyDiffKind.UPDATE)],
        "ttl": [("ttl", PropertyDiffKind.ADD)],
    }
    answer = differences.response(changes, frozenset({"data", "name"}), delete_first=True)
    assert (answer.replaces, answer.diffs, answer.stables) == (["data"], ["data", "ttl"], ["name"])
    assert answer.delete_before_replace
    assert answer.detailed_diff["data.port"].kind is PropertyDiffKind.UPDATE_REPLACE
    assert answer.detailed_diff["ttl"].kind is PropertyDiffKind.ADD


SHAPE = Shape(
    names=frozenset({"name", "size", "rules"}),
    required=frozenset({"name"}),
    nested={"rules": Shape(frozenset({"id"}), frozenset({"id"}))},
)


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"name": "a", "colour": 1}, "colour"),
        ({"size": 1}, "name"),
        ({"name": "a", "made": 1}, "made"),
        ({"name": "a", "rules": [{"id": "x"}, {}]}, "rules[1].id"),
        ({"name": "a", "rules": ["x"]}, "rules[0]"),
    ],
)
def test_a_mistake_is_named_by_its_path(inputs: dict[str, Any], path: str) -> None:
    assert [place for place, _ in mistakes(inputs, SHAPE, frozenset({"made"}))] == [path]


def test_what_is_not_known_yet_is_no_mistake() -> None:
    assert not list(mistakes({"name": UNKNOWN, "rules": UNKNOWN}, SHAPE))


def test_a_failure_does_not_name_a_property_whose_value_the_engine_would_print() -> None:
    inputs = {"rules": wrapped([secret("planted")]), "size": wrapped(1)}
    found = [("rules[0]", "is wrong"), ("key", "is short"), ("size", "is small")]
    failures = refused(found, inputs, frozenset({"key"}))
    assert [(failure.property, failure.reason) for failure in failures] == [
        ("", "rules[0] is wrong"),
        ("", "key is short"),
        ("size", "is small"),
    ]
