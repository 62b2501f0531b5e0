"""What bridged plugins note in the inputs: in every object, which of its values are defaults."""

from collections.abc import Mapping
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

from pulumi_kit.checking import Shape
from pulumi_kit.differences import is_blank
from pulumi_kit.values import Properties, Wire, wrapped

DEFAULTS = "__defaults"
"""Names of the values that the plugin filled in."""


def noted(inputs: Wire, shape: Shape, defaults: Mapping[str, Any]) -> Properties:
    """Return inputs with the defaults filled in and noted; a default of zero is left to the state.

    Args:
        inputs: The inputs; what is noted in them already stays.
        shape: Their shape, which tells an object from a map.
        defaults: Values by name; for those inside an object, by the name of the object as well.
    """
    filled = {
        name: wrapped(default)
        for name, default in defaults.items()
        if name not in inputs and not isinstance(default, Mapping) and not is_blank(default)
    }
    inside = {
        name: _inside(value, shape.nested[name], defaults.get(name, {}))
        if name in shape.nested
        else value
        for name, value in inputs.items()
    }
    return {DEFAULTS: wrapped(sorted(filled)), **filled, **inside}


def _inside(value: PropertyValue, shape: Shape, defaults: Mapping[str, Any]) -> PropertyValue:
    inner: Any = value.value
    if isinstance(inner, Mapping):
        return value.with_value(noted(inner, shape, defaults))
    if isinstance(inner, tuple):
        return value.with_value([_inside(item, shape, defaults) for item in inner])
    return value
