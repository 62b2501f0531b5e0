"""The DKIM selector: both keys are published while messages are on their way."""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import ClassVar

from operations.rotate.accounts import ask_world
from operations.rotate.departure import arrived, send, signatures
from operations.rotate.deploying import CLEAN, deploy
from operations.rotate.model import Rotation, Step, WaitingError, Work
from operations.site import SiteError
from operations.site.editing import REMOVED

_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LOOK_SECONDS = 2.0
_SWITCH_DAYS = 30
"""Days that the operator has for having the smarthost sign anew."""


class DkimSelector(Rotation):
    """The selector under which the smarthost signs, and its key.

    A receiver looks a key up when a message arrives, which may be days after it was signed. So the
    new key is published before anything is signed with it, and the old one until nothing that was
    signed with it can still be on its way.
    """

    what: ClassVar[str] = "dkim"
    title: ClassVar[str] = "DKIM selector"
    touches: ClassVar[tuple[str, ...]] = ("dkim", "dkim-*")

    def steps(self) -> Sequence[Step]:
        """Return the steps."""
        return (
            CLEAN,
            Step("choose", "have the smarthost make a key under another selector", self._choose),
            Step("publish", "publish it beside the one in use", self._publish),
            Step("seen", "see both in the DNS", self._seen),
            Step("switch", "have the smarthost sign with the new one", self._switch),
            Step("signed", "see a message that is signed with the new one", self._signed),
            Step("swap", "declare the new one; the old one retires", self._swap),
            Step("rest", "wait until no message bears the old signature", self._rest),
            Step("remove", "take the old one out of the zone", self._remove),
            Step("gone", "see that it is gone from the DNS", self._gone),
        )

    async def _choose(self, work: Work) -> str:
        settings = work.site.declaration.smarthost
        selector, record = work.options.selector, work.options.record
        if work.site.world is not None and not record:
            selector = selector or _next(settings.selector)
            made = await ask_world(work, "POST", "/smarthost/selectors", {"selector": selector})
            record = str(made["record"])
        if not _SELECTOR.fullmatch(selector) or not record:
            raise WaitingError(
                "make a key under another selector in the smarthost's account, then say it by "
                "--selector NAME --record 'p=...', as the account shows them"
            )
        work.notes.update(
            {
                "new selector": selector,
                "new record": record,
                "old selector": settings.selector,
                "old record": work.site.declaration.dkim_public_key,
            }
        )
        return selector

    async def _publish(self, work: Work) -> str:
        until = work.today + timedelta(days=_SWITCH_DAYS)
        work.site.declare({"smarthost.secondSelector": _second(work, "new", until)})
        return await deploy(work, self.touches)

    async def _seen(self, work: Work) -> str:
        for which in ("old", "new"):
            await self._await_record(work, which, there=True)
        return f"{work.notes['old selector']} and {work.notes['new selector']}"

    async def _await_record(self, work: Work, which: str, *, there: bool) -> None:
        """Wait for the DNS, twice the time to live at most.

        Raises:
            WaitingError: the resolver does not say it yet.
        """
        declaration = work.site.declaration
        selector, record = work.notes[f"{which} selector"], work.notes[f"{which} record"]
        name = f"{selector}._domainkey.{declaration.domain}"
        patience = 2 * declaration.zone.ttl if work.site.live else 10
        deadline = time.monotonic() + patience
        while True:
            values = (await work.site.net.resolve(name, "TXT")).values
            if (_bare(record) in map(_bare, values)) if there else not values:
                return
            if time.monotonic() > deadline:
                state = "does not say" if there else "still says"
                raise WaitingError(f"the resolver {state} {name}; try again later")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _switch(self, work: Work) -> str:
        selector = str(work.notes["new selector"])
        if work.site.world is not None:
            await ask_world(work, "PUT", "/smarthost/selectors", {"selector": selector})
            return selector
        if not work.notes.get("switch asked"):
            work.notes["switch asked"] = True
            raise WaitingError(
                f"have the smarthost sign with {selector} (its account, Domains), then say the "
                "same command again"
            )
        return f"{selector}, as the operator says"

    async def _signed(self, work: Work) -> str:
        message = await self._message(work)
        found = await signatures(message, work.site)
        wanted = work.notes["new selector"]
        if (wanted, True) in found:
            return f"{wanted}, and the signature is good"
        seen = ", ".join(f"{name} ({'good' if good else 'broken'})" for name, good in found)
        raise SiteError(f"the message is signed with {seen or 'nothing of ours'}, not {wanted}")

    @staticmethod
    async def _message(work: Work) -> bytes:
        if work.options.signed is not None:
            return await asyncio.to_thread(work.options.signed.read_bytes)
        recipient = await send(work)
        if work.site.world is None:
            raise WaitingError(
                f"a message left for {recipient}; save it as it arrives, with its headers, and "
                "say by --signed FILE where it is"
            )
        return await arrived(work.site, recipient)

    async def _swap(self, work: Work) -> str:
        until = work.today + timedelta(days=work.options.days)
        work.notes["until"] = until.isoformat()
        await work.keep()
        work.site.declare(
            {
                "smarthost.selector": work.notes["new selector"],
                "dkimPublicKey": work.notes["new record"],
                "smarthost.secondSelector": _second(work, "old", until),
            }
        )
        return await deploy(work, self.touches)

    async def _rest(self, work: Work) -> str:
        until = date.fromisoformat(work.notes["until"])
        if work.today <= until:
            raise WaitingError(f"until {until} both stay published; afterwards, the same command")
        return f"{until} has passed"

    async def _remove(self, work: Work) -> str:
        work.site.declare({"smarthost.secondSelector": REMOVED})
        return await deploy(work, self.touches)

    async def _gone(self, work: Work) -> str:
        await self._await_record(work, "old", there=False)
        return f"{work.notes['old selector']}; its key may go from the smarthost's account as well"

    async def undo(self, work: Work) -> str:
        """Let the old selector sign again, and take the new one out of the zone."""
        if "choose" not in work.progress.done:
            return "nothing had been changed"
        old = work.notes["old selector"]
        if "switch" in work.progress.done or work.notes.get("switch asked"):
            if work.site.world is not None:
                await ask_world(work, "PUT", "/smarthost/selectors", {"selector": old})
            elif (old, True) not in await signatures(await self._message(work), work.site):
                raise SiteError(f"the smarthost does not sign with {old}; have it do so first")
        changes = {
            "smarthost.selector": old,
            "dkimPublicKey": work.notes["old record"],
            "smarthost.secondSelector": REMOVED,
        }
        work.site.declare(changes)
        return await deploy(work, self.touches)


def _bare(record: str) -> str:
    return "".join(record.split())


def _second(work: Work, which: str, until: date) -> dict[str, str]:
    return {
        "selector": work.notes[f"{which} selector"],
        "publicKey": work.notes[f"{which} record"],
        "until": until.isoformat(),
    }


def _next(selector: str) -> str:
    """Return the selector that follows another: `resend` is followed by `resend2`."""
    name = selector.rstrip("0123456789")
    return f"{name}{int(selector[len(name) :] or 1) + 1}"
