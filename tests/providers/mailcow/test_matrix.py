"""Each object, operation and fault: right after the next run, no lie, nothing twice, nothing lost.

The cells are generated: every object of the provider, every operation that it has, every way in
which a write was seen to go wrong. A cell runs the operation with the fault, looks whether the
state tells the truth, lifts the fault, and runs the same program again.
"""

from collections.abc import Callable

import pytest

from pulumi_mailcow import client
from pulumi_mailcow.errors import MailcowError
from pulumi_mailcow.testing import Fault, Kind, Mailcow
from tests.providers.mailcow.samples import BY_TOKEN, SAMPLES, Sample
from tests.providers.mailcow.stack import Declared, Stack, in_loop, kept, program_of, standing

PATIENCE = 0.5
"""Seconds to wait for an answer that does not come."""
SILENT = ("no answer", "no answer, done", "late")
LARGEST = 1024**2
"""Bytes of an answer that are read."""
BREAKS = ("deadlock at", "died at")
STATEMENTS = 8
"""Writing statements after which a request may break off; a mailbox is deleted with seven."""
DEADLOCK = "SQLSTATE[40001]: Serialization failure: 1213 Deadlock found"


def _away() -> list[Fault]:
    return [
        Fault(Kind.STATUS, times=None, status=405),
        Fault(Kind.STATUS, "GET *", times=None, status=502),
    ]


def _either(name: str, fault: Callable[..., Fault]) -> dict[str, Callable[[], list[Fault]]]:
    """Return a fault that strikes before the request was carried out, and one after."""
    return {name: lambda: [fault(after=False)], f"{name}, done": lambda: [fault(after=True)]}


def _broken(at: int, status: int) -> Callable[[], list[Fault]]:
    return lambda: [Fault(Kind.BROKEN, at=at, status=status)]


FAULTS: dict[str, Callable[[], list[Fault]]] = {
    **_either("refused", lambda after: Fault(Kind.DANGER, after=after)),
    **_either("deadlock told", lambda after: Fault(Kind.DANGER, words=DEADLOCK, after=after)),
    **_either("empty", lambda after: Fault(Kind.EMPTY, after=after)),
    **_either("500", lambda after: Fault(Kind.STATUS, status=500, after=after)),
    **_either("405", lambda after: Fault(Kind.STATUS, status=405, after=after)),
    **_either("504", lambda after: Fault(Kind.STATUS, status=504, after=after)),
    **_either("HTML", lambda after: Fault(Kind.HTML, after=after)),
    **_either("huge", lambda after: Fault(Kind.HUGE, size=2 * LARGEST, after=after)),
    **_either("dropped", lambda after: Fault(Kind.DROP, after=after)),
    **_either("no answer", lambda after: Fault(Kind.HANG, after=after)),
    "redirected": lambda: [Fault(Kind.REDIRECT)],
    "cut": lambda: [Fault(Kind.CUT)],
    "late": lambda: [Fault(Kind.LATE)],
    "401": lambda: [Fault(Kind.UNAUTHORIZED)],
    "lost": lambda: [Fault(Kind.LOST)],
    "warned": lambda: [Fault(Kind.WARNING)],
    "key refused": lambda: [Fault(Kind.KEY_ERROR)],
    "php away": _away,
    "unreadable": lambda: [Fault(Kind.LAST)],
    **{
        f"{how} at {at}": _broken(at, status)
        for at in range(STATEMENTS)
        for how, status in (("deadlock", 0), ("died", 405))
    },
}
OPERATIONS = ("create", "update", "delete")
CELLS = [
    (sample, operation)
    for sample in SAMPLES
    for operation in OPERATIONS
    if operation != "update" or sample.changed
]
TABLES = ("domain", "mailbox", "quota2", "user_acl", "alias", "tags_domain", "tags_mailbox",
          "relayhosts", "transports", "tls_policy_override", "app_passwd", "bcc_maps",
          "recipient_maps", "filterconf", "domain_admins", "admin", "imapsync")  # fmt: skip


def _count(mailcow: Mailcow, sample: Sample) -> int:
    needed = sum(
        1
        for _, token, _ in sample.needs
        if BY_TOKEN[token].table == sample.table and sample.token != token
    )
    return len(kept(mailcow, sample.table)) - needed


def _census(mailcow: Mailcow) -> dict[str, int]:
    """Return how much there is of everything: what a mailbox is made of, too."""
    store = mailcow.api.store
    hashes = store.rows("SELECT hash, COUNT(*) AS number FROM redis GROUP BY hash")
    return {
        **{table: len(kept(mailcow, table)) for table in TABLES},
        **{row["hash"]: row["number"] for row in hashes},
        "mta_sts": len(kept(mailcow, "mta_sts WHERE active = 1")),
    }


async def _no_lie(mailcow: Mailcow, stack: Stack, sample: Sample) -> None:
    """What the state says without reserve is so, and what it does not know is not there."""
    if "it" not in stack.states:
        assert _count(mailcow, sample) == 0, "something is there that the state does not know"
        return
    if not stack.states["it"].init_errors:
        shown = await stack.refresh()
        assert shown == {}, f"the state is wrong about {shown}"


@pytest.mark.parametrize(("sample", "operation"), CELLS, ids=str)
def test_no_lie_nothing_twice_nothing_lost_and_a_rerun_converges(
    sample: Sample, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER", LARGEST)
    _each(sample, operation, tuple(FAULTS), refreshing=False)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_refresh_before_the_rerun_finds_what_the_answer_did_not_tell(sample: Sample) -> None:
    _each(sample, "create", ("unreadable", "no answer, done", "late"), refreshing=True)


@in_loop
async def _each(
    sample: Sample, operation: str, faults: tuple[str, ...], *, refreshing: bool
) -> None:
    async with standing(sample.needs) as (mailcow, stack):
        if operation != "create":
            await stack.up(program_of(sample.needs, ("it", sample, {})))
        before, states = mailcow.api.store.snapshot(), stack.copied()
        mailcow.api.store.statements = 0
        await stack.up(_wanted(sample, operation))
        census, statements = _census(mailcow), mailcow.api.store.statements
        for fault in faults:
            if fault.startswith(BREAKS) and int(fault.rpartition(" ")[2]) >= statements:
                continue
            mailcow.api.store.restore(before)
            stack.states = dict(states)
            try:
                await _scenario(mailcow, stack, sample, operation, fault, refreshing=refreshing)
                assert _census(mailcow) == census
            except (AssertionError, MailcowError) as error:
                error.add_note(f"after the fault {fault!r} in {operation} of {sample}")
                raise


def _wanted(sample: Sample, operation: str) -> dict[str, Declared]:
    programs: dict[str, dict[str, Declared]] = {
        "create": program_of(sample.needs, ("it", sample, {})),
        "update": program_of(sample.needs, ("it", sample, sample.changed)),
        "delete": program_of(sample.needs),
    }
    return programs[operation]


async def _scenario(
    mailcow: Mailcow, stack: Stack, sample: Sample, operation: str, fault: str, *, refreshing: bool
) -> None:
    wanted = _wanted(sample, operation)
    await stack.configure()
    if fault in SILENT:
        stack.session.client.limit(PATIENCE)
    mailcow.api.count.rejected = 0
    mailcow.api.faults.set(*FAULTS[fault]())
    failed = False
    try:
        await stack.up(wanted)
    except MailcowError:
        failed = True
    await mailcow.api.lift()
    assert mailcow.api.count.rejected == (1 if fault == "401" else 0)
    await stack.configure()
    # A deletion that failed leaves the state as it was, as one that was never tried.
    if fault != "late" and not (failed and operation == "delete"):
        await _no_lie(mailcow, stack, sample)
    if refreshing:
        await stack.refresh()
    await stack.up(wanted)
    assert _count(mailcow, sample) == (0 if operation == "delete" else 1)
    await stack.configure()
    assert await stack.refresh() == {}
    assert set((await stack.up(wanted)).values()) <= {"same"}
