"""Names that the plugins make up from the resource's own: `archive` becomes `archive-1f2e3d4`."""

import hashlib
import re

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import CheckRequest, DiffRequest

from rehearsal.standins.values import plain

_DIGITS = 7


def automatic(prop: str, request: CheckRequest) -> PropertyValue:
    """Return the name the resource already has, or one made of its own and of the random seed."""
    if prop in request.old_inputs:
        return request.old_inputs[prop]
    seed = request.random_seed or request.urn.encode()
    return PropertyValue(f"{request.name}-{hashlib.sha256(seed).hexdigest()[:_DIGITS]}")


def is_taken(prop: str | None, request: DiffRequest) -> bool:
    """Say whether a replacement would need the very name that its predecessor still holds."""
    if prop is None or prop not in request.new_inputs or prop not in request.old_state:
        return False
    new, old = plain(request.new_inputs[prop]), plain(request.old_state[prop])
    made_up = re.fullmatch(rf"{re.escape(request.name)}-[0-9a-f]{{{_DIGITS}}}", str(new))
    return bool(new == old and not made_up)
