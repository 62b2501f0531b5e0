"""Running every check at once, each bounded in time."""

import asyncio
import imaplib
import smtplib
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from weakref import WeakSet

from operations.prove.diagnosis import diagnose
from operations.prove.findings import failed, unseen
from operations.prove.model import Check, Finding, Proof, Result
from operations.prove.net import UnseenError
from operations.prove.registry import checks
from operations.prove.subject import Subject

LIMIT = 45.0
"""Seconds after which a check is given up."""
_AT_ONCE = 32
_WIDENED: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


async def prove(
    subject: Subject,
    *,
    stack: str,
    only: Sequence[Check] | None = None,
    on_result: Callable[[Result], None] = lambda _: None,
) -> Proof:
    """Run the checks and say why those failed that did.

    Args:
        subject: What is proved.
        stack: Name of the stack.
        only: The checks to run; all if None.
        on_result: Told of each result as it comes.
    """
    chosen = checks() if only is None else only
    _widen(asyncio.get_running_loop())
    try:
        results = await asyncio.gather(*(_run(check, subject, on_result) for check in chosen))
    finally:
        await subject.close()
    return Proof(
        stack=stack,
        domain=subject.declaration.domain,
        place=subject.net.place,
        at=datetime.now(UTC),
        results=tuple(results),
        causes=diagnose(results, subject.declaration),
    )


def _widen(loop: asyncio.AbstractEventLoop) -> None:
    """Give a loop threads enough for every check; the loop itself ends them."""
    if loop not in _WIDENED:
        loop.set_default_executor(ThreadPoolExecutor(_AT_ONCE))
        _WIDENED.add(loop)


async def _run(check: Check, subject: Subject, on_result: Callable[[Result], None]) -> Result:
    began = time.monotonic()
    result = Result(check, await _finding(check, subject), time.monotonic() - began)
    on_result(result)
    return result


async def _finding(check: Check, subject: Subject) -> Finding:
    try:
        async with asyncio.timeout(LIMIT):
            return await check.function(subject)
    except (OSError, UnseenError, imaplib.IMAP4.error) as error:
        return _broken_off(error)


def _broken_off(error: Exception) -> Finding:
    """Return what a check found that ended in an error: a refusal, or nothing to be seen."""
    if isinstance(error, ssl.SSLError):
        words = getattr(error, "verify_message", "") or error.reason or str(error)
        return failed(f"TLS failed: {words}", "a trusted certificate", facts={"tls": str(words)})
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        return failed(
            f"{error.smtp_code} {said}", "no refusal", facts={"reply": str(error.smtp_code)}
        )
    if isinstance(error, smtplib.SMTPException | imaplib.IMAP4.error):
        return failed(str(error), "no refusal")
    if isinstance(error, TimeoutError):
        return unseen("no answer in time")
    return unseen(str(error))
