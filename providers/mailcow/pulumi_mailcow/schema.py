"""Pulumi's schema of the package, from the objects' descriptions."""

import json
from typing import Any

from pulumi_mailcow.configuration import CONFIGURATION
from pulumi_mailcow.describe import Kind, Property
from pulumi_mailcow.objects import OBJECTS
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.version import CHECKED_AGAINST, PACKAGE, VERSION


def _described(item: Property) -> dict[str, Any]:
    found: dict[str, Any] = {"type": item.kind.value, "description": item.doc}
    if item.kind is Kind.TEXTS:
        found["items"] = {"type": "string"}
    if item.secret:
        found["secret"] = True
    if item.replaces:
        found["willReplaceOnChanges"] = True
    return found


def _input(item: Property) -> dict[str, Any]:
    found = _described(item)
    if item.default is not None and item.kind is not Kind.TEXTS:
        found["default"] = item.default
    if item.choices:
        found["description"] += " One of " + ", ".join(map(str, item.choices)) + "."
    return found


def _resource(item: MailcowObject) -> dict[str, Any]:
    inputs = [property_ for property_ in item.properties if not property_.output]
    limits = "".join(f"\n- {limit}" for limit in item.limits)
    return {
        "description": f"{item.doc}\n\nImport id: {item.import_id}\n{limits}",
        "properties": {property_.wire: _described(property_) for property_ in item.properties},
        "required": [
            property_.wire
            for property_ in item.properties
            if property_.required or property_.output or property_.default is not None
        ],
        "inputProperties": {input_.wire: _input(input_) for input_ in inputs},
        "requiredInputs": [input_.wire for input_ in inputs if input_.required],
    }


def schema() -> str:
    """Return the schema as JSON."""
    settings = {item.wire: _input(item) for item in CONFIGURATION}
    required = [item.wire for item in CONFIGURATION if item.required]
    return json.dumps(
        {
            "name": PACKAGE,
            "version": VERSION,
            "description": f"Mailcow as code. Checked against Mailcow {CHECKED_AGAINST}.",
            "language": {"python": {"packageName": "pulumi_mailcow", "readme": ""}},
            "config": {"variables": settings},
            "provider": {
                "description": "One Mailcow, and how it is reached.",
                "properties": {item.wire: _described(item) for item in CONFIGURATION},
                "inputProperties": settings,
                "requiredInputs": required,
                "required": required,
            },
            "resources": {f"{PACKAGE}:index:{item.token}": _resource(item) for item in OBJECTS},
        },
        indent=2,
    )
