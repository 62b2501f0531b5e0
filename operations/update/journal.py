"""The journal of an upgrade: one small file on the host, from which a killed run goes on or back.

It lies on the host because that is what is half-done if anything is: whoever comes next, from
whichever machine, finds it. There is no secret in it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from declaration.commands import at
from declaration.names import STATE
from operations.site import Host
from operations.site.editing import REMOVED
from operations.update.releases import UpdateError

FILE = f"{STATE}/update.json"
"""Where it lies on the host."""


class State(StrEnum):
    """How an upgrade stands, as a whole."""

    UNDER_WAY = "under way"
    FAILED = "failed"
    """A step of the upgrade failed; the host is between two releases, or on the new one."""
    RETURNING = "returning"
    DONE = "done"
    RETURNED = "returned"
    GIVEN_UP = "given up"
    """It ended before anything was changed."""

    @property
    def is_open(self) -> bool:
        """Whether something is left to be done."""
        return self in {State.UNDER_WAY, State.FAILED, State.RETURNING}


class Step(StrEnum):
    """The steps of an upgrade, in their order."""

    BACKUP = "backup"
    DECLARE = "declare"
    DEPLOY = "deploy"
    HEALTH = "health"
    PROVE = "prove"


class WayBack(StrEnum):
    """The steps of the way back, in their order."""

    DECLARE = "declare"
    DATABASE = "database"
    DEPLOY = "deploy"
    HEALTH = "health"
    PROVE = "prove"


class _Noted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pin(_Noted):
    """A pinned release: tag and commit, as declared."""

    tag: str
    commit: str


class Journal(_Noted):
    """What is known of one upgrade.

    Attributes:
        version: Of this format.
        stack: Stack that is upgraded.
        started: When, in UTC.
        before: Pin to go back to.
        after: Pin to go to.
        tiers_after: Tiers of services that come, None for those that go.
        tiers_before: The same for the way back.
        state: How it stands.
        begun: Step that was begun last.
        done: Steps of the upgrade that are done.
        back: Steps of the way back that are done.
        snapshot: Snapshot to go back to, empty before the backup.
        schema_before: Version of the database's schema before; empty if it could not be told.
        schema_after: Version that the next release brings; empty if it stays.
        images_before: Image and digest of each service before.
        images_after: The same afterwards.
        failing_before: Ids of the checks of the proof that failed before.
        failure: What went wrong, empty if nothing did.
        ended: When it ended, in UTC.
    """

    version: Literal[1] = 1
    stack: str
    started: str
    before: Pin
    after: Pin
    tiers_after: Mapping[str, str | None] = {}
    tiers_before: Mapping[str, str | None] = {}
    state: State = State.UNDER_WAY
    begun: str = ""
    done: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    snapshot: str = ""
    schema_before: str = ""
    schema_after: str = ""
    images_before: Mapping[str, str] = {}
    images_after: Mapping[str, str] = {}
    failing_before: tuple[str, ...] = ()
    failure: str = ""
    ended: str = ""

    @property
    def changed_something(self) -> bool:
        """Whether the declaration or the host may have been changed."""
        return Step.BACKUP.value in self.done

    def changes(self, *, back: bool = False) -> dict[str, Any]:
        """Return what is declared, for `site.declare`.

        Args:
            back: The way back instead of the upgrade.
        """
        pin = self.before if back else self.after
        tiers = self.tiers_before if back else self.tiers_after
        return {
            "mailcow.release.tag": pin.tag,
            "mailcow.release.commit": pin.commit,
            "mailcow.release.backFrom": self.after.tag if back else REMOVED,
            **{
                f"mailcow.services.{name}": REMOVED if tier is None else tier
                for name, tier in tiers.items()
            },
        }

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return self.model_dump(mode="json")

    def note(self, **facts: Any) -> "Journal":
        """Return it with further facts."""
        return self.model_copy(update=facts)

    def end(self, state: State, failure: str = "") -> "Journal":
        """Return it ended."""
        return self.note(state=state, failure=failure or self.failure, ended=now())


def now() -> str:
    """Return the present moment in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(text: str) -> Journal:
    """Return the journal that a text holds.

    Raises:
        UpdateError: it holds none.
    """
    try:
        return Journal.model_validate_json(text)
    except ValidationError:
        raise UpdateError(
            f"{FILE} on the host is no journal of an upgrade that can be read; look at it, and "
            "move it away if no upgrade is open"
        ) from None


async def load(host: Host) -> Journal | None:
    """Return the journal that lies on the host, None if there is none."""
    try:
        return read((await host.read(FILE)).decode("utf-8", "replace"))
    except FileNotFoundError:
        return None


async def keep(host: Host, journal: Journal) -> Journal:
    """Write the journal in one step, for root alone, and return it."""
    text = json.dumps(journal.as_dict(), indent=2, sort_keys=True) + "\n"
    await host.write(FILE, text, mode=0o600)
    return journal


async def shelve(host: Host) -> None:
    """Put an ended journal aside, by the moment at which its upgrade began."""
    journal = await load(host)
    if journal is not None:
        name = "".join(text for text in journal.started if text.isalnum())
        await host.run(
            f"mv {at(FILE)} {at(f'{STATE}/update-{name}.json')}", what="putting the journal aside"
        )
