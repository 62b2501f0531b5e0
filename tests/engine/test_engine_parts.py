"""The engine's parts that decide without touching anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import Computed, PropertyValue

from rehearsal.engine import UNKNOWN, Kind, Sealed, paths, plan, values
from rehearsal.engine.model import ResourceState
from rehearsal.engine.order import dependencies_first, dependents_within
from rehearsal.engine.scrub import Scrubber
from rehearsal.engine.urn import Names

NAMES = Names("dev", "test")
STACK = NAMES.urn("", "pulumi:pulumi:Stack", "test-dev")

_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
)
_values = st.recursive(
    st.builds(PropertyValue, _leaves, is_secret=st.booleans()),
    lambda inner: st.builds(
        PropertyValue,
        st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3),
        ),
        is_secret=st.booleans(),
    ),
    max_leaves=8,
)


@given(_values)
def test_values_survive_the_way_to_the_state_and_back(value: PropertyValue) -> None:
    written = values.to_json(value, lambda text: text[::-1])
    assert values.same_value(values.from_json(written, lambda text: text[::-1]), value)


@given(_values)
def test_what_a_value_means_means_the_same_again(value: PropertyValue) -> None:
    once = values.meant({"a": value, "b": PropertyValue(None), "__meta": value})
    assert once.keys() <= {"a"}
    assert values.same_properties(values.meant(once), once)


@given(_values)
def test_a_value_never_differs_from_itself(value: PropertyValue) -> None:
    assert plan.compare({"a": value}, {"a": value}) == ()
    assert values.tidy(value) is value


def test_a_computed_value_and_dependencies_are_brought_into_form() -> None:
    given_value = PropertyValue([PropertyValue(Computed()), PropertyValue("x", dependencies=["u"])])
    tidy = values.tidy(given_value)
    assert values.plain(tidy) == [UNKNOWN, "x"]
    assert tidy == PropertyValue([PropertyValue(values.SENTINEL), PropertyValue("x")])


def test_a_mark_that_a_provider_drops_is_put_back() -> None:
    inputs = {
        "a": PropertyValue("s", is_secret=True),
        "b": PropertyValue({"c": PropertyValue([PropertyValue("s", is_secret=True)])}),
    }
    bare = {
        "a": PropertyValue("s"),
        "b": PropertyValue({"c": PropertyValue([PropertyValue("s")]), "d": PropertyValue("t")}),
        "e": PropertyValue("u"),
    }
    marked = values.with_marks(bare, inputs, ["e", "not there"])
    assert marked["a"].is_secret
    assert marked["e"].is_secret
    assert sorted(values.secret_texts(marked)) == ["s", "s", "u"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b.c", ("a", "b", "c")),
        ("a[0].b", ("a", 0, "b")),
        ('a["b.c"].d', ("a", "b.c", "d")),
        ("a[*].b", ("a", "*", "b")),
        ("*", ("*",)),
        (r'a["q\"q"]', ("a", 'q"q')),
    ],
)
def test_a_path_is_read_into_its_segments(text: str, path: paths.Path) -> None:
    assert paths.parse(text) == path
    if "*" not in text:
        assert paths.render(path) == text


@pytest.mark.parametrize("text", ["a[", "a[x]", 'a["b'])
def test_what_is_not_a_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a property path"):
        paths.parse(text)


def test_a_pattern_names_what_lies_below_it() -> None:
    assert paths.contains(paths.parse("a"), paths.parse("a.b"))
    assert paths.contains(paths.parse("a[*].c"), paths.parse("a[3].c.d"))
    assert not paths.contains(paths.parse("a.b"), paths.parse("a"))


def test_a_difference_is_found_as_deep_as_it_goes() -> None:
    old = {"a": PropertyValue({"b": PropertyValue([PropertyValue(1.0), PropertyValue(2.0)])})}
    new = {"a": PropertyValue({"b": PropertyValue([PropertyValue(1.0)])}), "c": PropertyValue("x")}
    assert [(c.path, c.kind, c.old, c.new) for c in plan.compare(old, new)] == [
        ("a.b[1]", Kind.DELETE, 2, None),
        ("c", Kind.ADD, None, "x"),
    ]


def test_a_difference_of_secrets_shows_neither() -> None:
    old = {"a": PropertyValue("one", is_secret=True)}
    (change,) = plan.compare(old, {"a": PropertyValue("two")})
    assert isinstance(change.old, Sealed)
    assert isinstance(change.new, Sealed)


def test_urns_are_built_as_pulumi_builds_them() -> None:
    component = NAMES.urn(STACK, "t:i:Comp", "c")
    assert component == "urn:pulumi:dev::test::t:i:Comp::c"
    assert NAMES.urn(component, "t:i:Box", "b") == "urn:pulumi:dev::test::t:i:Comp$t:i:Box::b"


def _state(name: str, *needs: str, serial: int, delete: bool = False) -> ResourceState:
    urns = [NAMES.urn("", "t:i:B", need) for need in needs]
    return ResourceState(
        NAMES.urn("", "t:i:B", name),
        "t:i:B",
        custom=True,
        dependencies=urns,
        serial=serial,
        delete=delete,
    )


@given(st.permutations(range(6)))
def test_any_order_is_brought_into_one_where_needs_come_first(order: list[int]) -> None:
    chain = [_state(f"n{n}", *([f"n{n - 1}"] if n else []), serial=n) for n in range(6)]
    ordered = dependencies_first([chain[place] for place in order])
    assert [state.serial for state in ordered] == list(range(6))


def test_an_order_that_holds_is_left_alone() -> None:
    states = [_state("z", serial=0), _state("a", serial=1), _state("b", "z", serial=2)]
    assert dependencies_first(states) == states


def test_two_generations_that_name_each_other_still_have_an_order() -> None:
    states = [
        _state("a", "b", serial=0, delete=True),
        _state("b", serial=1),
        _state("a", serial=2),
        _state("b", "a", serial=3, delete=True),
    ]
    assert len(dependencies_first(states)) == 4
    before = dependents_within(states)
    assert all(state.serial != below.serial for state in states for below in before[state.serial])


def test_a_secret_is_masked_in_every_common_spelling() -> None:
    scrubber = Scrubber()
    scrubber.learn(['pa"ss w/rd', "-----BEGIN KEY-----\nabcdefghijklmnop\n-----END KEY-----", "x"])
    shown = scrubber.scrub(
        'a pa"ss w/rd b pa\\"ss w/rd c pa%22ss%20w/rd d cGEic3Mgdy9yZA== e abcdefghijklmnop x'
    )
    assert shown == "a [secret] b [secret] c [secret] d [secret] e [secret] x"
    assert "w/rd" not in repr(scrubber)


def test_the_longest_spelling_is_masked_whole_and_a_later_secret_too() -> None:
    scrubber = Scrubber()
    scrubber.learn(["secret", "secret-and-more"])
    assert scrubber.scrub("a secret-and-more, a secret-an") == "a [secret], a [secret]-an"
    scrubber.learn(["another"])
    assert scrubber.scrub("one another") == "one [secret]"
