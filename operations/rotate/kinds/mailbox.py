"""The password of a mailbox."""

import asyncio
import imaplib
import re
from collections.abc import Sequence
from typing import ClassVar

from declaration.secrets import PASSWORD
from operations.rotate.accounts import invented
from operations.rotate.deploying import CLEAN, deploy
from operations.rotate.model import Options, Rotation, Step, Work
from operations.site import SiteError

_LEAST = 12


class MailboxPassword(Rotation):
    """A password that a person types. Mail goes on arriving; who is logged in must log in anew."""

    what: ClassVar[str] = "mailbox"
    title: ClassVar[str] = "password of a mailbox"

    def name(self, options: Options) -> str:
        """Return the name with the mailbox in it."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", options.mailbox):
            raise SiteError("say by --mailbox whose password is changed: the local part")
        return f"{self.what}-{options.mailbox}"

    def steps(self) -> Sequence[Step]:
        """Return the steps."""
        return (
            CLEAN,
            Step("seal", "seal it into the stack's configuration", self._seal),
            Step("deploy", "deploy it", self._deploy),
            Step("prove", "log in with it, and not with the old one", self._prove),
        )

    @staticmethod
    def _key(work: Work) -> str:
        name = work.options.mailbox
        if name not in {mailbox.name for mailbox in work.site.declaration.mailboxes}:
            raise SiteError(f"{name} is none of the declared mailboxes")
        return f"{PASSWORD}{name}"

    async def _seal(self, work: Work) -> str:
        key = self._key(work)
        work.old = work.site.secret(key)
        new = work.ask(f"new password of {work.options.mailbox}")
        if not new and work.site.world is not None:
            new = f"{invented(20)}-aA1"
        if len(new) < _LEAST or new != new.strip():
            raise SiteError(f"a password has at least {_LEAST} characters, and no blank at an end")
        if new == work.old:
            raise SiteError("that is the one which is in use; take another")
        await asyncio.to_thread(work.site.deployer.set_secret, key, new)
        return "done"

    async def _deploy(self, work: Work) -> str:
        return await deploy(work, [f"mailbox-{work.options.mailbox}"])

    async def _prove(self, work: Work) -> str:
        if not await self._logs_in(work, work.site.secret(self._key(work))):
            raise SiteError("the new password is refused")
        if not work.old:
            return "the new one is taken"
        if await self._logs_in(work, work.old):
            raise SiteError("the old password is still taken")
        return "the new one is taken, the old one refused"

    async def _logs_in(self, work: Work, password: str) -> bool:
        declaration = work.site.declaration
        address = f"{work.options.mailbox}@{declaration.domain}"

        def act(client: imaplib.IMAP4_SSL) -> bool:
            try:
                client.login(address, password)
            except imaplib.IMAP4.error:
                return False
            return True

        return await work.site.net.imap(declaration.host.address, declaration.names.mail_host, act)

    async def undo(self, work: Work) -> str:
        """Set the password of before again: the operator has it, nobody else."""
        key = self._key(work)
        old = work.old or work.ask(f"old password of {work.options.mailbox}")
        if not old:
            raise SiteError("the old password is not known here; give it, or go on with the new")
        await asyncio.to_thread(work.site.deployer.set_secret, key, old)
        return await deploy(work, [f"mailbox-{work.options.mailbox}"])
