"""Carrying a rotation out: begun, resumed where it stopped, or abandoned."""

import imaplib
import smtplib
from collections.abc import Callable
from enum import StrEnum

from declaration.mistakes import DeclarationError
from operations.prove.net import UnseenError
from operations.rotate.model import Rotation, Step, StepFailedError, WaitingError, Work
from operations.site import CommandFailedError, SiteError
from pulumi_host.errors import HostError
from pulumi_mailcow.errors import MailcowError


class Ending(StrEnum):
    """How a run of a rotation ended."""

    DONE = "done"
    """The new one is in use, the old one is worth nothing any more."""
    WAITING = "waiting"
    """Somebody else is next, or time is; the same command goes on afterwards."""
    ABANDONED = "abandoned"
    """The old one is in use as before."""


FAILURES = (
    SiteError, CommandFailedError, DeclarationError, HostError, MailcowError, UnseenError,
    smtplib.SMTPException, imaplib.IMAP4.error, OSError, TimeoutError,
)  # fmt: skip
"""What a step may meet that a person can mend."""

LOOKING = frozenset({"clean", "try"})
"""Steps that only look."""


def harmless(work: Work) -> bool:
    """Return whether nothing was changed so far."""
    return not set(work.progress.done) - LOOKING


def left(rotation: Rotation, work: Work) -> list[Step]:
    """Return the steps that are still to be done."""
    return [step for step in rotation.steps() if step.name not in work.progress.done]


async def carry_out(
    rotation: Rotation, work: Work, say: Callable[[Step, str, str], None]
) -> Ending:
    """Do the steps that are left; remember each one when it is done.

    Args:
        rotation: What is rotated.
        work: The rotation under way.
        say: Told of each step, with what there is to say, and how it stands.

    Raises:
        StepFailedError: a step failed; the message has the ways on and back.
    """
    for step in left(rotation, work):
        try:
            words = await step.do(work)
        except WaitingError as waiting:
            say(step, str(waiting), "wait")
            await work.keep()
            return Ending.WAITING
        except FAILURES as error:
            say(step, "", "failed")
            if harmless(work):
                await work.memory.end()
            words = str(error) or type(error).__name__
            raise StepFailedError(f"{step.title}: {words}\n{_ways(rotation, work)}") from None
        work.progress.done.append(step.name)
        await work.keep()
        say(step, words, "ok")
    await work.memory.end()
    return Ending.DONE


def _ways(rotation: Rotation, work: Work) -> str:
    if harmless(work):
        return "nothing was changed"
    again = f"make rotate WHAT={rotation.what}"
    return f"again from this step: {again}; back to the old one: {again} OPTIONS=--abandon"


async def abandon(rotation: Rotation, work: Work) -> str:
    """Put the old one back and forget the rotation; return what there is to say."""
    words = await rotation.undo(work)
    await work.memory.end()
    return words
