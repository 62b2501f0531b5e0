"""What must hold before an upgrade is begun."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from operations.prove.model import Proof, Severity, Status
from operations.site import Site
from operations.update import standing
from operations.update.compare import Differences

MEMORY_MIB = 512
"""Memory that must be available: images are unpacked while everything runs."""
QUEUE = 20
"""Messages that may wait: more means that mail does not leave, and the proof could not tell why."""
GIB_FOR_WORK, GIB_FOR_IMAGE = 2.0, 0.6
"""Space that must be left: for the dump and the like, and for each image that changes."""


@dataclass(frozen=True)
class Condition:
    """One thing that must hold.

    Attributes:
        title: What must hold, in few words.
        holds: Whether it does.
        seen: What was seen.
        mend: What to do where it does not hold.
    """

    title: str
    holds: bool
    seen: str
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def needed_gib(differences: Differences) -> float:
    """Return the space that an upgrade needs, in GiB."""
    new = sum(bool(service.after) for service in differences.services)
    return GIB_FOR_WORK + GIB_FOR_IMAGE * new


def failing(proof: Proof) -> list[str]:
    """Return the ids of the checks that failed."""
    return [result.check.id for result in proof.results if result.finding.status is Status.FAIL]


def judge_proof(proof: Proof) -> Condition:
    """Judge the proof before an upgrade: nothing grave may be broken already."""
    grave = [
        result.check.id
        for result in proof.results
        if result.finding.status is Status.FAIL
        and result.check.severity in {Severity.CRITICAL, Severity.HIGH}
    ]
    lesser = [text for text in failing(proof) if text not in grave]
    passed = f"{proof.count(Status.PASS)} checks pass"
    if grave:
        mend = "mend it first, or nobody could tell what the upgrade broke: make prove says how"
        return Condition("proof", holds=False, seen=f"fails: {', '.join(grave)}", mend=mend)
    if not proof.count(Status.PASS):
        return Condition(
            "proof", holds=False, seen="nothing could be judged", mend="make prove says why"
        )
    seen = f"{passed}; failing already: {', '.join(lesser)}" if lesser else passed
    return Condition("proof", holds=True, seen=seen)


async def on_host(site: Site, differences: Differences) -> AsyncIterator[Condition]:
    """Yield what must hold on the host, each as soon as it is known."""
    found, wanted = await standing.placed(site), site.declaration.names.release.commit
    yield Condition(
        "in place", found == wanted,
        f"{site.declaration.mailcow.release.tag}, {found[:12] or 'none'}",
        f"{wanted[:12]} is declared: deploy what is declared first (make up), or declare what runs",
    )  # fmt: skip
    wrong = standing.ailing(await standing.containers(site), set(site.declaration.mailcow.services))
    count = len(site.declaration.mailcow.services)
    yield Condition(
        "containers", not wrong, ", ".join(wrong) or f"{count} well",
        "mend them first: the runbook says how",
    )  # fmt: skip
    disk, needed = await standing.free_disk_gib(site.host), needed_gib(differences)
    yield Condition(
        "disk", disk >= needed, f"{disk:.1f} GiB free, {needed:.1f} needed",
        "docker image prune removes images that nothing uses (not -a: the way back needs them)",
    )  # fmt: skip
    memory = await standing.free_memory_mib(site.host)
    yield Condition(
        "memory", memory >= MEMORY_MIB, f"{memory:.0f} MiB available, {MEMORY_MIB} needed",
        "find out what takes it: docker stats --no-stream",
    )  # fmt: skip
    waiting = await standing.queued(site) if not wrong else 0
    yield Condition(
        "queue", waiting <= QUEUE, f"{waiting} messages wait, {QUEUE} may",
        "find out why mail does not leave: the runbook has a section on the queue",
    )  # fmt: skip


async def of_deployment(site: Site) -> Condition:
    """Judge whether anything else waits to be deployed; it would hide behind the upgrade."""
    plan = await asyncio.to_thread(site.deployer.preview)
    names = ", ".join(f"{step.op} {step.name}" for step in plan.steps[:5])
    seen = "; ".join(plan.errors) or names or f"{plan.unchanged} resources as declared"
    return Condition("deployment", plan.ok and not plan.steps, seen, "deploy it first: make up")
