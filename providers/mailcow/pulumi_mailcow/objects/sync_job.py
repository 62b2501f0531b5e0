"""Sync jobs: mail fetched from an IMAP server elsewhere into a mailbox."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    address_mistake,
    asked,
    flag,
    text,
    whole,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.session import Session

TEXTS = ("enc1", "password1", "exclude", "subfolder2", "custom_params")
NUMBERS = ("port1", "mins_interval", "maxage", "maxbytespersecond", "timeout1", "timeout2")
FLAGS = ("active", "delete1", "delete2", "delete2duplicates", "automap", "skipcrossduplicates",
         "subscribeall", "dry")  # fmt: skip
_WORDS = (
    "abort authmd51 authmd52 authmech1 authmech2 authuser1 authuser2 debug debugcontent"
    " debugcrossduplicates debugflags debugfolders debugimap debugimap1 debugimap2 debugmemory"
    " debugssl delete1emptyfolders delete2folders disarmreadreceipts domain1 domain2 domino1"
    " domino2 dry errorsmax exchange1 exchange2 exitwhenover expunge1 f1f2 filterbuggyflags folder"
    " folderfirst folderlast folderrec gmail1 gmail2 idatefromheader include inet4 inet6"
    " justconnect justfolders justfoldersizes justlogin keepalive1 keepalive2 log logdir logfile"
    " maxbytesafter maxlinelength maxmessagespersecond maxsize maxsleep minage minsize"
    " noabletosearch noabletosearch1 noabletosearch2 noexpunge1 noexpunge2 nofoldersizesatend noid"
    " nolog nomixfolders noresyncflags nossl1 nossl2 nosyncacls notls1 notls2 nouidexpunge2"
    " nousecache oauthaccesstoken1 oauthaccesstoken2 oauthdirect1 oauthdirect2 office1 office2"
    " pidfile pidfilelocking prefix1 prefix2 proxyauth1 proxyauth2 resyncflags resynclabels search"
    " search1 search2 sep1 sep2 showpasswords skipemptyfolders ssl2 sslargs1 sslargs2 subfolder1"
    " subscribe subscribed syncacls syncduplicates syncinternaldates synclabels tests testslive"
    " testslive6 tls2 truncmess usecache useheader useuid"
)
OPTIONS = frozenset(_WORDS.split())
"""Options of imapsync that Mailcow lets through."""
EDITABLE = (*TEXTS, *NUMBERS, *FLAGS)


def _key(row: Row) -> str:
    return f"{address(text(row.get('user2')))}/{text(row.get('host1')).lower()}/{row.get('user1')}"


LISTING = Listing(
    name="sync_job",
    whole=lambda mailbox: f"syncjobs/{asked(mailbox)}/with_password",
    group=lambda key: key.partition("/")[0],
    key=_key,
)


def option_mistake(params: str) -> str | None:
    """Return why Mailcow takes no such options, or None if it does.

    It cuts them at every hyphen, and looks at what stands before an equals sign.
    """
    for part in filter(None, params.split("-")):
        name = part.partition("=")[0] if "=" in part else part.rstrip(" ")
        if " " in name:
            return f"takes a value with = and no blank: {name!r}"
        if name.lower() not in OPTIONS:
            return f"has {name!r}, which is not among the options of imapsync that Mailcow takes"
    return None


class SyncJob(MailcowObject):
    """`syncjob`."""

    token = "SyncJob"  # noqa: S105 - a type name
    noun = "sync job"
    doc = "Fetches mail from an IMAP server elsewhere into a mailbox, again and again."
    listing = LISTING
    import_id = "info@example.org/imap.example.net/old@example.net (mailbox, server, login there)"
    taken = frozenset({"object_exists"})
    properties = (
        Property(
            "username", Kind.TEXT, "Address of the mailbox that gets the mail.",
            required=True, replaces=True, same=address, form=address_mistake,
        ),
        Property(
            "host1", Kind.TEXT, "Server to fetch from.",
            required=True, replaces=True, same=lambda value: value.strip().lower(),
        ),
        Property("user1", Kind.TEXT, "Login there.", required=True, replaces=True),
        Property("password1", Kind.TEXT, "Password there.", required=True, secret=True),
        Property("port1", Kind.WHOLE, "Port there.", default=993, least=1),
        Property("enc1", Kind.TEXT, "Encryption.", default="SSL", choices=("TLS", "SSL", "PLAIN")),
        Property("mins_interval", Kind.WHOLE, "Minutes between runs.", default=20, least=1),
        Property("subfolder2", Kind.TEXT, "Folder here to fetch into; empty for none.", default=""),
        Property("maxage", Kind.WHOLE, "Greatest age in days; 0 is any.", default=0, least=0),
        Property(
            "maxbytespersecond", Kind.WHOLE, "Greatest speed in bytes per second; 0 is any.",
            default=0, least=0,
        ),
        Property("timeout1", Kind.WHOLE, "Seconds to wait for the server.", default=600, least=1),
        Property("timeout2", Kind.WHOLE, "Seconds to wait for Mailcow.", default=600, least=1),
        Property(
            "exclude", Kind.TEXT, "Regular expression of folders to leave out.",
            default="(?i)spam|(?i)junk", limit=500,
        ),
        Property(
            "custom_params", Kind.TEXT,
            "Further options of imapsync, such as `--nofoldersizesatend --maxsize=1000000`.",
            default="", limit=512,
        ),
        Property("delete1", Kind.FLAG, "Delete there what was fetched.", default=False),
        Property("delete2", Kind.FLAG, "Delete here what is not there.", default=False),
        Property("delete2duplicates", Kind.FLAG, "Delete duplicates here.", default=True),
        Property("automap", Kind.FLAG, "Find matching folders.", default=True),
        Property("skipcrossduplicates", Kind.FLAG, "Skip what is elsewhere.", default=False),
        Property("subscribeall", Kind.FLAG, "Subscribe to all folders.", default=True),
        Property("dry", Kind.FLAG, "Only pretend.", default=False),
        Property("active", Kind.FLAG, "Whether it runs.", default=True),
    )  # fmt: skip
    limits = (
        "Mailbox, server and login make the job: another of them is another job.",
        "The password is read back in clear by everyone with an API key.",
        "Only the jobs of a mailbox can be read together, with the log of each one's last run.",
    )
    example = """mailcow.SyncJob(
    "move",
    username="info@example.org",
    host1="imap.example.net",
    user1="old@example.net",
    password1=pulumi.Output.secret("example-password-4"),
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would turn into something else."""
        bounds = {"port1": 65535, "mins_interval": 43800, "maxage": 32000,
                  "maxbytespersecond": 125000000, "timeout1": 32000, "timeout2": 32000}  # fmt: skip
        for name, most in bounds.items():
            if (values.get(name) or 0) > most:
                yield name, f"must not be greater than {most}"
        custom = values.get("custom_params")
        if custom is not None and custom != custom.strip():
            yield "custom_params", "must not begin or end with a space: Mailcow cuts it off"
        mistake = option_mistake(custom or "")
        if mistake:
            yield "custom_params", mistake
        for name in ("user1", "host1", "password1"):
            if values.get(name) in ("", "0"):
                yield name, "must not be empty"

    def identity(self, values: Values) -> str:
        """Mailbox, server and login."""
        return _key({"user2": values["username"], "host1": values["host1"].strip(),
                     "user1": values["user1"]})  # fmt: skip

    def identity_of(self, row: Row) -> str:
        """Mailbox, server and login."""
        return _key(row)

    def parse(self, row: Row) -> Values:
        """Numbers may come as text."""
        return {
            "username": text(row.get("user2")),
            "host1": text(row.get("host1")),
            "user1": text(row.get("user1")),
            **{name: text(row.get(name)) for name in TEXTS},
            **{name: whole(row.get(name)) for name in NUMBERS},
            **{name: flag(row.get(name)) for name in FLAGS},
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it."""
        body = {
            **with_names(values, EDITABLE),
            "username": address(values["username"]),
            "host1": values["host1"].strip().lower(),
            "user1": values["user1"],
        }
        with session.touching(LISTING, self.identity(values)):
            await session.send("add/syncjob", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit by number."""
        sent = with_names(values, EDITABLE, changed)
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("syncjob", row["id"], sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/syncjob", [row["id"]])
