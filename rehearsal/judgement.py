"""The policies, judged on a plan before anything is touched, and on what was deployed."""

from typing import TYPE_CHECKING

from rehearsal.report import Report
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient

if TYPE_CHECKING:
    from rehearsal.engine.model import Outcome


def say_policies(
    stage: Stage, world: WorldClient, outcome: "Outcome", report: Report, *, deployed: bool = False
) -> bool:
    """Judge the resources of an outcome and say what the rules found.

    Args:
        stage: The stack.
        world: Its world.
        outcome: A plan, or a deployment.
        report: Where it is said.
        deployed: Whether this is the deployment: then no value may be unknown any more.

    Returns:
        Whether no rule was broken.
    """
    import policies  # noqa: PLC0415  # a declaration is checked without the rules
    from policies.registry import rules  # noqa: PLC0415  # as above

    judged = policies.check_views(stage.declaration(world), outcome.resources)
    report.put(
        "policies_deployed" if deployed else "policies",
        {
            "rules": len(rules()),
            "deferred": sorted({deferred.rule for deferred in judged.deferred}),
            "violations": [
                {"rule": violation.rule, "resource": violation.resource, "key": violation.key,
                 "message": violation.message, "remedy": violation.remedy}
                for violation in judged.violations
            ],
        },
    )  # fmt: skip
    waiting = len({deferred.rule for deferred in judged.deferred})
    text = f"{len(rules())} rules"
    if waiting:
        text += f", {waiting} of them judged again on what is deployed"
    if judged.ok:
        report.line("policies", text, "ok")
        return True
    report.line("policies", f"{len(judged.violations)} violations", "failed")
    for violation in judged.violations:
        report.detail(
            f"{violation.rule}  {violation.key or violation.resource}: {violation.message}",
            style="red",
        )
        report.detail(f"    {violation.remedy}")
    return False
