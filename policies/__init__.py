"""Policies: what must hold across artifacts, in a preview, a rehearsal, a test and CI alike.

    judgement = policies.judge(declaration, resources)          # resources of `policies.model`
    judgement = policies.check_views(declaration, views)        # what an engine's outcome shows

A rule is one function over a `Stack`; `policies.registry.rules()` lists them, docs/policies.md
describes them.
"""

from policies.judging import judge, judge_stack, stack_of
from policies.model import UNKNOWN, Deferred, Judgement, Note, Resource, Rule, Secret, Violation
from policies.views import check_views, resources_of_views

__all__ = [
    "UNKNOWN",
    "Deferred",
    "Judgement",
    "Note",
    "Resource",
    "Rule",
    "Secret",
    "Violation",
    "check_views",
    "judge",
    "judge_stack",
    "resources_of_views",
    "stack_of",
]
