"""People: mailboxes, aliases and the old mail that is moved in, as Mailcow objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

import pulumi_mailcow as mailcow
from declaration.people import AliasSettings, ImportSettings, MailboxSettings, goto, local_target

_NO_LIMIT = 10_000
"""Mailboxes and aliases that Mailcow lets the domain have. The declaration is the limit; one that
followed their number would have to be raised before an addition and lowered after a removal."""
_DEFAULT_QUOTA_MIB = 3072
_IMAPS = 993
"""Port on which TLS begins with the first byte; Mailcow calls that SSL, and STARTTLS TLS."""


@dataclass(frozen=True)
class PeopleArgs:
    """What people are made from.

    Attributes:
        company: Name of the company, as people read it.
        domain: The mail domain.
        mailboxes: Mailboxes.
        aliases: Aliases.
        disk_gib: Disk in GiB that mail may use.
        restart_sogo: Whether SOGo runs; it learns of a domain only when it starts.
        protect: Whether a mailbox is protected from deletion.
        passwords: First password of each mailbox, by local part. A person who changes it keeps
            the new one; changing the declared one sets it again.
        imports: Old mail that is moved in.
        import_passwords: Password at the server of each import, by its name.
    """

    company: str
    domain: str
    mailboxes: Sequence[MailboxSettings]
    aliases: Sequence[AliasSettings]
    disk_gib: int
    restart_sogo: bool
    protect: bool
    passwords: Mapping[str, pulumi.Input[str]]
    imports: Sequence[ImportSettings] = ()
    import_passwords: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


class PeopleComponent(pulumi.ComponentResource):
    """The mail domain in Mailcow, its mailboxes and its aliases.

    Mailcow makes no DKIM key for the domain: the smarthost signs.

    Deleting a mailbox deletes its mail, so mailboxes are protected unless the declaration says
    otherwise: one that was taken out of the declaration by mistake, or renamed, is refused with
    its name, and `pulumi state unprotect` is the deliberate second step. They are not retained on
    delete: a mailbox that the state has forgotten still receives mail and still lets its owner
    log in, which nobody would notice.

    Attributes:
        domain: The domain.
        mailboxes: Mailboxes by local part.
        aliases: Aliases by local part.
    """

    domain: mailcow.Domain
    mailboxes: dict[str, mailcow.Mailbox]
    aliases: dict[str, mailcow.Alias]

    def __init__(
        self, name: str, args: PeopleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mail:components:People", name, None, opts)
        disk_mib = args.disk_gib * 1024
        self.domain = mailcow.Domain(
            "domain",
            domain=args.domain,
            description=args.company,
            mailboxes=_NO_LIMIT,
            aliases=_NO_LIMIT,
            defquota=min(_DEFAULT_QUOTA_MIB, disk_mib),
            maxquota=disk_mib,
            quota=disk_mib,
            restart_sogo=args.restart_sogo,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.mailboxes = {mailbox.name: self._mailbox(mailbox, args) for mailbox in args.mailboxes}
        self.aliases = {alias.name: self._alias(alias, args.domain) for alias in args.aliases}
        for source in args.imports:
            self._import(source, args)
        self.register_outputs({})

    def _import(self, settings: ImportSettings, args: PeopleArgs) -> None:
        """Declare one job; nothing is deleted, neither there nor here."""
        mailcow.SyncJob(
            f"import-{settings.name}",
            username=f"{settings.mailbox}@{args.domain}",
            host1=settings.server,
            port1=settings.port,
            enc1="SSL" if settings.port == _IMAPS else "TLS",
            user1=settings.user,
            password1=pulumi.Output.secret(args.import_passwords[settings.name]),
            subfolder2=settings.folder,
            mins_interval=settings.every_minutes,
            delete2duplicates=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.mailboxes[settings.mailbox]]),
        )

    def _mailbox(self, settings: MailboxSettings, args: PeopleArgs) -> mailcow.Mailbox:
        return mailcow.Mailbox(
            f"mailbox-{settings.name}",
            local_part=settings.name,
            domain=args.domain,
            name=settings.full_name,
            quota=settings.quota_mib,
            password=pulumi.Output.secret(args.passwords[settings.name]),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[self.domain], protect=args.protect
            ),
        )

    def _alias(self, settings: AliasSettings, domain: str) -> mailcow.Alias:
        targets = [local_target(target, domain) for target in settings.to]
        return mailcow.Alias(
            f"alias-{settings.name}",
            address=f"{settings.name}@{domain}",
            goto=goto(settings, domain),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[
                    self.domain,
                    *(self.mailboxes[target] for target in targets if target in self.mailboxes),
                ],
            ),
        )
