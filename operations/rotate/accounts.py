"""What only the owner of an account elsewhere can do: make a credential, revoke one, sign anew.

On a real stack the operator does it, and is told what and when. In a rehearsal the world's
accounts are ours, and their pages are its control address.
"""

import asyncio
import secrets
import string
from typing import Any

from operations.rotate.model import WaitingError, Work
from operations.site import SiteError

_ROUTES = {
    "smarthost": ("/smarthost/credentials", "password", "re_"),
    "cloudflare": ("/cloudflare/tokens", "token", ""),
}
_LETTERS = string.ascii_letters + string.digits


def invented(length: int = 40, prefix: str = "") -> str:
    """Return a new secret of letters and digits."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


async def ask_world(work: Work, method: str, path: str, body: object = None) -> Any:
    """Ask the control address of the rehearsed world.

    Raises:
        SiteError: this is a real stack.
    """
    if work.site.world is None:
        raise SiteError("only a rehearsed world has such a page")
    return await asyncio.to_thread(work.site.world.ask, method, path, body)


async def made_elsewhere(work: Work, account: str, where: str) -> str:
    """Return a credential that was made beside the one in use.

    Args:
        work: The rotation.
        account: `smarthost` or `cloudflare`.
        where: Where the operator makes it, for the question.
    """
    given = work.ask(where)
    if given:
        return given
    if work.site.world is None:
        raise SiteError(f"nothing was given; {where}")
    path, key, prefix = _ROUTES[account]
    made = invented(prefix=prefix)
    await ask_world(work, "POST", path, {key: made})
    return made


async def revoke(work: Work, account: str, credential: str, words: str) -> None:
    """Have a credential revoked: by the operator, or in the world's account.

    Raises:
        WaitingError: the operator is next.
    """
    if work.site.world is None:
        raise WaitingError(words)
    path, key, _ = _ROUTES[account]
    await ask_world(work, "DELETE", path, {key: credential})
