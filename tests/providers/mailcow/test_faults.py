"""Each object, operation and fault: no lie in the state, nothing twice, a rerun converges."""

import copy

import pytest

from pulumi_mailcow.errors import MailcowError
from tests.providers.mailcow.fake import FakeMailcow, Fault
from tests.providers.mailcow.samples import BY_TOKEN, SAMPLES, Sample
from tests.providers.mailcow.stack import Stack, in_loop, program_of, standing

FAULTS = (
    "danger", "danger_after", "empty", "empty_after", "html500", "html500_after", "dropped",
    "dropped_after", "405", "405_after", "timeout", "timeout_after", "timeout_late", "401", "lost",
    "blind",
)  # fmt: skip
"""What may happen to a write. `_after` has been carried out, `_late` is carried out once the client
has given up, `lost` says success and does nothing, `blind` is a good write after which nothing can
be read."""
OPERATIONS = ("create", "update", "delete")
PATIENCE = 0.05
"""Seconds to wait for an answer."""


def _count(fake: FakeMailcow, sample: Sample) -> int:
    table = fake.everything()[sample.table]
    if sample.token == "MtaSts":
        return sum(1 for row in table.values() if row["active"])
    needed = sum(1 for _, token, _ in sample.needs if BY_TOKEN[token].table == sample.table)
    return len(table) - needed


async def _no_lie(fake: FakeMailcow, stack: Stack, sample: Sample) -> None:
    """What the state says without reserve is so, and what it does not know is not there."""
    if "it" not in stack.states:
        assert _count(fake, sample) == 0, "something is there that the state does not know"
        return
    if not stack.states["it"].init_errors:
        shown = await stack.refresh()
        assert shown == {}, f"the state is wrong about {shown}"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_no_lie_nothing_twice_and_a_rerun_converges(sample: Sample, operation: str) -> None:
    if operation == "update" and not sample.changed:
        pytest.skip("nothing of it can be changed in place")
    _each(sample, operation, FAULTS, refreshing=False)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_refresh_before_the_rerun_finds_what_the_answer_did_not_tell(sample: Sample) -> None:
    _each(sample, "create", ("blind", "timeout_after", "timeout_late"), refreshing=True)


@in_loop
async def _each(
    sample: Sample, operation: str, faults: tuple[str, ...], *, refreshing: bool
) -> None:
    async with standing(sample.needs) as (fake, stack):
        if operation != "create":
            await stack.up(program_of(sample.needs, ("it", sample, {})))
        tables, states = copy.deepcopy(fake.everything()), dict(stack.states)
        for fault in faults:
            fake.restore(copy.deepcopy(tables))
            stack.states = copy.deepcopy(states)
            try:
                await _scenario(fake, stack, sample, operation, fault, refreshing=refreshing)
            except (AssertionError, MailcowError) as error:
                error.add_note(f"after the fault {fault} in {operation} of {sample}")
                raise


async def _scenario(
    fake: FakeMailcow, stack: Stack, sample: Sample, operation: str, fault: str, *, refreshing: bool
) -> None:
    wanted = {
        "create": program_of(sample.needs, ("it", sample, {})),
        "update": program_of(sample.needs, ("it", sample, sample.changed)),
        "delete": program_of(sample.needs),
    }[operation]
    await stack.configure()
    stack.session.client.limit(PATIENCE)
    fake.faults = [Fault(fault)]
    failed = False
    try:
        await stack.up(wanted)
    except MailcowError:
        failed = True
    await fake.recover()
    assert fake.rejected == (1 if fault == "401" else 0)
    await stack.configure()
    # A deletion that failed leaves the state as it was, as one that was never tried.
    if fault != "timeout_late" and not (failed and operation == "delete"):
        await _no_lie(fake, stack, sample)
    if refreshing:
        await stack.refresh()
    await stack.up(wanted)
    assert _count(fake, sample) == (0 if operation == "delete" else 1)
    await stack.configure()
    assert await stack.refresh() == {}
    assert set((await stack.up(wanted)).values()) <= {"same"}
