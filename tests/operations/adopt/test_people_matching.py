"""Mailboxes and aliases are known again by their addresses; no password is reset unasked."""

from typing import Any

from operations.adopt.adoption import document_of
from operations.adopt.people import match_people
from operations.site import Sketch
from rehearsal.engine.values import Sealed
from tests.operations.adopt.wanted import MARKER, resource

BOX = resource(
    "mailcow:index:Mailbox", "mailbox-info", localPart="info", domain="example.com",
    name="Info", quota=2048, password=Sealed(MARKER),
)  # fmt: skip
ALIAS = resource(
    "mailcow:index:Alias", "alias-abuse", address="abuse@example.com", goto=["info@example.com"]
)


def box_row(**more: Any) -> dict[str, Any]:
    """Return a mailbox as Mailcow's API tells it."""
    return {
        "username": "info@example.com", "local_part": "info", "domain": "example.com",
        "name": "Info", "quota": 2048 * 1024 * 1024, "active": 1, "attributes": {}, **more,
    }  # fmt: skip


def alias_row(address: str, goto: str) -> dict[str, Any]:
    """Return an alias as Mailcow's API tells it."""
    return {"id": 7, "address": address, "goto": goto, "active": 1}


def test_another_quota_is_the_only_difference() -> None:
    live = {"Mailbox": [box_row(quota=1024 * 1024 * 1024)]}
    (match,) = match_people([BOX], live).matches
    assert match.id == "info@example.com"
    (difference,) = match.differences
    assert (difference.path, difference.live, difference.declared) == ("quota", 1024, 2048)


def test_the_declared_password_is_noted_as_written_so_that_none_is_reset() -> None:
    (match,) = match_people([BOX], {"Mailbox": [box_row()]}).matches
    assert match.supplied is not None
    assert match.supplied.outputs["password"].open() == MARKER
    assert "password cannot be read" in match.unseen["password"]
    assert match.differences == ()
    assert MARKER not in repr(match)


def test_passwords_may_be_left_to_be_set_and_are_named_then() -> None:
    (match,) = match_people([BOX], {"Mailbox": [box_row()]}, keep_passwords=False).matches
    assert match.supplied is None
    assert match.unseen["password"] == "the next deployment sets the declared password"


def test_undeclared_people_are_named_and_stay() -> None:
    sales, own = (
        alias_row(f"{name}@example.com", "info@example.com") for name in ("sales", "info")
    )
    live = {
        "Mailbox": [box_row(), box_row(username="old@example.com")],
        "Alias": [sales, own],
        "Transport": [{"id": 3, "destination": "example.net", "nexthop": "relay.example.net"}],
    }
    area = match_people([BOX, ALIAS], live)
    said = {stranger.kind: (stranger.what, stranger.note) for stranger in area.strangers}
    assert said["mailbox"] == ("old@example.com", "")
    assert said["alias"] == ("sales@example.com to info@example.com", "")
    assert said["transport"][1] == "it decides before the declared smarthost"
    assert [wanted.name for wanted in area.missing] == ["alias-abuse"]


def test_targets_in_another_order_are_no_difference() -> None:
    declared = resource(
        "mailcow:index:Alias", "alias-x", address="x@example.com",
        goto=["a@example.com", "b@example.com"],
    )  # fmt: skip
    row = alias_row("X@example.com", "b@example.com,a@example.com")
    (match,) = match_people([declared], {"Alias": [row]}).matches
    assert match.differences == ()


def test_a_password_stands_in_the_file_only_under_its_seal() -> None:
    area = match_people([BOX], {"Mailbox": [box_row()]})
    entry = {"type": BOX.type, "name": BOX.label, "id": "<PLACEHOLDER>"}
    sketch = Sketch({"resources": [entry]}, {})
    document = document_of(sketch, area.matches, {}, lambda _: "sealed")
    assert MARKER not in str(document)
    assert document["resources"][0]["inputs"]["password"]["ciphertext"] == "sealed"
