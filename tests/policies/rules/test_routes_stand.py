"""The rule `routes-stand`.

Traefik takes the dynamic files over whole, and nothing in them is not understood.
"""

from policies.stack import Stack
from tests.policies.planting import Mistake, added, messages, replaced

RULE = "routes-stand"


def _file(name: str, text: str) -> Mistake:
    path = f"/opt/po-shared/traefik/dynamic/{name}"
    return added("host:index:File", "second", path=path, content=text, mode="0644")


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_second_file_that_is_none_is_refused(good: Stack) -> None:
    stack = _file("x.yml", "http: [")(good)

    assert "yaml" in " ".join(messages(RULE, stack))


def test_routes_of_tcp_are_refused(good: Stack) -> None:
    stack = _file("x.yml", "tcp: {routers: {a: {rule: x}}}")(good)

    assert "not understood" in " ".join(messages(RULE, stack))


def test_a_rule_that_cannot_be_read_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", "Host(`webmail", "Host(webmail")(good)

    assert "left out" in " ".join(messages(RULE, stack))


def test_a_file_that_traefik_does_not_read_passes(good: Stack) -> None:
    stack = _file("x.txt", "http: [")(good)

    assert messages(RULE, stack) == []
