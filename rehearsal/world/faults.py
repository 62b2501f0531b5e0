"""Faults that a service was told to show, and how long each lasts."""

from fnmatch import fnmatchcase
from typing import Any


def due(faults: dict[str, Any], name: str, route: str = "") -> dict[str, Any] | None:
    """Return the details of fault `name` if it strikes now, and count one of its `times` down.

    A fault is `true` (always), a number (that many times), or an object with any of `times`,
    `route` (a pattern such as `POST /zones/*`, `*` matching anything) and details of its own.

    Args:
        faults: The service's faults.
        name: Name of the fault.
        route: What is being asked, compared with the fault's `route`.

    Returns:
        The details (empty if it has none), or None if the fault does not strike.
    """
    fault = faults.get(name)
    if fault is None or fault is False:
        return None
    details: dict[str, Any] = {}
    if isinstance(fault, dict):
        details = fault
    elif not isinstance(fault, bool):
        details = {"times": fault}
    if not fnmatchcase(route, str(details.get("route", "*"))):
        return None
    times = details.get("times")
    if times is None:
        return details
    if times <= 1:
        del faults[name]
    else:
        faults[name] = {**details, "times": times - 1}
    return details if times > 0 else None
