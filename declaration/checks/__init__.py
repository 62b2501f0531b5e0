"""What must hold across the parts of a declaration, one module for each area."""

from declaration.checks import access, delivery, names, operation, people, stack
from declaration.checks.registry import CHECKS, Check, cross_part_mistakes

__all__ = [
    "CHECKS",
    "Check",
    "access",
    "cross_part_mistakes",
    "delivery",
    "names",
    "operation",
    "people",
    "stack",
]
