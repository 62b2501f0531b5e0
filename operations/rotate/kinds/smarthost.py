"""The credential of the smarthost: two are valid for a while, so that no message is turned away."""

from typing import ClassVar

from operations.rotate.departure import flush, send, smarthost_answers
from operations.rotate.kinds.credential import Credential
from operations.rotate.model import Work


class SmarthostCredential(Credential):
    """The password with which Postfix logs in at the smarthost.

    Postfix is restarted by the deployment. What it had taken lies in its queue on the disk; what
    it had not answered for, the sender still has.
    """

    what: ClassVar[str] = "smarthost"
    title: ClassVar[str] = "credential of the smarthost"
    touches: ClassVar[tuple[str, ...]] = ("smarthost-login", "mailcow")
    key: ClassVar[str] = "smarthostPassword"
    account: ClassVar[str] = "smarthost"
    where: ClassVar[str] = "the smarthost's account; at Resend: API Keys, Sending access"
    on_host: ClassVar[bool] = True

    async def works(self, work: Work, credential: str) -> bool:
        """Log in at the smarthost."""
        return await smarthost_answers(work.site, credential)

    async def prove(self, work: Work) -> str:
        """Have what waits tried again, and follow one message."""
        waited = await flush(work.site)
        recipient = await send(work)
        return f"{waited}; a message to {recipient} left"
