"""A genuine Postfix that is set up as Mailcow's, as far as our rendered files can tell.

Ours is used byte for byte: `extra.cf` is put behind `main.cf` as Mailcow's start script does, the
two maps lie where it names them. `main.cf` and `master.cf` are written here; they hold what of
Mailcow's has to do with what ours says, under the same names and with the same values.

What is not as in production:

- Debian's Postfix of this machine, not the one of the container.
- Mailcow's database: the maps of type `mysql` are answered by SQLite, through the same `proxymap`
  and the same file names. Each answers what Mailcow's query would.
- No postscreen in front of smtpd, no Rspamd behind it, no chroot.
- The rehearsed internet stands on loopback: `ways.py` says how Postfix finds it.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONF = "/opt/postfix/conf"
_SQL = f"{CONF}/sql"

UNSAID = r"overriding earlier entry|unused parameter: dbpath"
"""Lines left out of the log: the first as Mailcow's own syslog does, the second for our SQLite."""

MAPS = (
    "sasl_passwd_maps_sender_dependent",
    "tls_policy_override_maps",
    "sender_dependent_default_transport_maps",
    "transport_maps",
    "relay_ne",
    "virtual_alias_maps",
    "virtual_domains_maps",
    "virtual_mailbox_maps",
    "virtual_sender_acl",
    "virtual_relay_domain_maps",
)
"""Mailcow's look-ups that have a part in what is tested, without `mysql_` in front."""


def _table(name: str) -> str:
    return f"proxy:mysql:{_SQL}/mysql_{name}.cf"


MAIN_CF = f"""\
compatibility_level = 3.7
biff = no
append_dot_mydomain = no
mail_name = Postcow
alias_maps =
mydestination = localhost.localdomain, localhost
mynetworks_style = subnet
inet_interfaces = all
inet_protocols = all
relayhost =
recipient_delimiter = +
message_size_limit = 104857600
mailbox_size_limit = 0
disable_vrfy_command = yes
broken_sasl_auth_clients = yes
minimal_backoff_time = 300s
maximal_backoff_time = 1800s
queue_run_delay = 300s
bounce_queue_lifetime = 1d
maximal_queue_lifetime = 5d
smtpd_banner = $myhostname ESMTP $mail_name
smtpd_delay_reject = yes
smtpd_helo_required = yes
smtpd_error_sleep_time = 10s
smtpd_soft_error_limit = 3
smtpd_forbid_bare_newline = yes
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination
smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks,
  reject_invalid_helo_hostname, reject_unauth_destination
smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch, permit_mynetworks,
  permit_sasl_authenticated, reject_unlisted_sender, reject_unknown_sender_domain
smtpd_data_restrictions = reject_unauth_pipelining, permit
smtpd_sender_login_maps = {_table("virtual_sender_acl")}
smtpd_sasl_auth_enable = yes
smtpd_sasl_authenticated_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:dovecot:10001
smtpd_tls_auth_only = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/ssl/mail/cert.pem
smtpd_tls_key_file = /etc/ssl/mail/key.pem
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_mandatory_protocols = >=TLSv1.2
smtpd_tls_mandatory_ciphers = high
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
smtp_tls_cert_file = /etc/ssl/mail/cert.pem
smtp_tls_key_file = /etc/ssl/mail/key.pem
smtp_tls_security_level = dane
smtp_dns_support_level = dnssec
smtp_tls_protocols = >=TLSv1.2
smtp_tls_mandatory_protocols = >=TLSv1.2
smtp_tls_loglevel = 1
smtp_tls_policy_maps = {_table("tls_policy_override_maps")}
  socketmap:inet:postfix-tlspol:8642:QUERY
smtp_sender_dependent_authentication = yes
smtp_sasl_auth_enable = yes
smtp_sasl_auth_soft_bounce = no
smtp_sasl_password_maps = {_table("sasl_passwd_maps_sender_dependent")}
smtp_sasl_security_options =
smtp_sasl_mechanism_filter = plain, login
sender_dependent_default_transport_maps = {_table("sender_dependent_default_transport_maps")}
transport_maps = {_table("relay_ne")}, {_table("transport_maps")}
relay_domains = {_table("virtual_relay_domain_maps")}
virtual_alias_maps = {_table("virtual_alias_maps")}
virtual_mailbox_domains = {_table("virtual_domains_maps")}
virtual_mailbox_maps = {_table("virtual_mailbox_maps")}
virtual_transport = lmtp:inet:dovecot:24
lmtp_destination_recipient_limit = 1
proxy_read_maps = $local_recipient_maps, $mynetworks,
  $sender_dependent_default_transport_maps, $smtp_tls_policy_maps,
  $virtual_alias_maps, $virtual_mailbox_domains, $virtual_mailbox_maps, $relay_domains,
  $transport_maps, $smtpd_sender_login_maps, $smtp_sasl_password_maps
submission_smtpd_tls_mandatory_protocols = >=TLSv1.2
smtps_smtpd_tls_mandatory_protocols = >=TLSv1.2
parent_domain_matches_subdomains = mynetworks

# User Overrides
"""

_INNER = """\
smtp       unix  -  -  n  -  -  smtp
smtp_enforced_tls unix - - n - - smtp
  -o smtp_tls_security_level=encrypt
  -o syslog_name=enforced-tls-smtp
relay      unix  -  -  n  -  -  smtp
lmtp       unix  -  -  n  -  -  lmtp
pickup     unix  n  -  n  60 1  pickup
cleanup    unix  n  -  n  -  0  cleanup
qmgr       unix  n  -  n  300 1 qmgr
tlsmgr     unix  -  -  n  1000? 1 tlsmgr
rewrite    unix  -  -  n  -  -  trivial-rewrite
bounce     unix  -  -  n  -  0  bounce
defer      unix  -  -  n  -  0  bounce
trace      unix  -  -  n  -  0  bounce
verify     unix  -  -  n  -  1  verify
flush      unix  n  -  n  1000? 0 flush
proxymap   unix  -  -  n  -  -  proxymap
proxywrite unix  -  -  n  -  1  proxymap
showq      unix  n  -  n  -  -  showq
error      unix  -  -  n  -  -  error
retry      unix  -  -  n  -  -  error
discard    unix  -  -  n  -  -  discard
local      unix  -  n  n  -  -  local
virtual    unix  -  n  n  -  -  virtual
anvil      unix  -  -  n  -  1  anvil
scache     unix  -  -  n  -  1  scache
"""


def master_cf(ports: Mapping[int, int]) -> str:
    """Return `master.cf`: Mailcow's three ways in, each on a port of loopback.

    Args:
        ports: Port of loopback by Mailcow's own port.
    """
    return f"""\
127.0.0.1:{ports[25]} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=no
  -o smtpd_sender_restrictions=permit_mynetworks,reject_unlisted_sender,reject_unknown_sender_domain
127.0.0.1:{ports[465]} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject
  -o smtpd_tls_mandatory_protocols=$smtps_smtpd_tls_mandatory_protocols
  -o syslog_name=postfix/smtps
127.0.0.1:{ports[587]} inet n - n - - smtpd
  -o smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_mandatory_protocols=$submission_smtpd_tls_mandatory_protocols
  -o syslog_name=postfix/submission
{_INNER}"""


class Database:
    """What Mailcow's database answers to Postfix."""

    def __init__(self, folder: Path) -> None:
        """Keep it in `folder`, with one file a look-up."""
        self._file = folder / "mailcow.db"
        with sqlite3.connect(self._file) as database:
            database.execute("CREATE TABLE known (map TEXT, key TEXT, value TEXT)")
        for name in MAPS:
            (folder / f"mysql_{name}.cf").write_text(
                f"dbpath = {_SQL}/mailcow.db\n"
                f"query = SELECT value FROM known WHERE map = '{name}' AND key = '%s'\n"
            )

    def put(self, name: str, key: str, value: str) -> None:
        """Let a look-up answer `value` for `key`."""
        assert name in MAPS
        with sqlite3.connect(self._file) as database:
            database.execute("INSERT INTO known VALUES (?, ?, ?)", (name, key, value))

    def change(self, name: str, key: str, value: str) -> None:
        """Let a look-up answer `value` for `key` instead of what it did."""
        with sqlite3.connect(self._file) as database:
            database.execute("DELETE FROM known WHERE map = ? AND key = ?", (name, key))
        self.put(name, key, value)


def lay_out(folder: Path, ports: Mapping[int, int]) -> Database:
    """Write Postfix's directories below `folder` and return the database.

    The rendered files are put into `folder/conf` by `take_over`.
    """
    conf = folder / "conf"
    (conf / "sql").mkdir(parents=True)
    for name in ("spool", "lib"):
        (folder / name).mkdir()
    (folder / "lib").chmod(0o700)
    shutil.chown(folder / "lib", "postfix", "root")
    (conf / "master.cf").write_text(master_cf(ports))
    # The type is called `mysql` in our files; SQLite answers to the name.
    (folder / "dynamicmaps.cf").write_text("mysql postfix-sqlite.so dict_sqlite_open\n")
    return Database(conf / "sql")


def take_over(folder: Path, release: Path) -> None:
    """Do what Mailcow's start script does with the deployed files of a release.

    `myhostname` is written as the first line of `extra.cf`, and the file behind `main.cf`.
    """
    deployed, conf = release / "data/conf/postfix", folder / "conf"
    for name in ("smarthost_passwd", "smarthost_tls_policy"):
        if (deployed / name).exists():
            # As deployed: 0640, and root's alone.
            shutil.copy2(deployed / name, conf / name)
    extra = deployed / "extra.cf"
    text = extra.read_text() if extra.exists() else ""
    environment = (release / "mailcow.conf").read_text()
    found = re.search(r"(?m)^MAILCOW_HOSTNAME=(.+)$", environment)
    assert found is not None
    kept = [line for line in text.splitlines() if "$myhostname" in line or "myhostname" not in line]
    started = "\n".join([f"myhostname = {found[1]}", *kept]) + "\n"
    (conf / "extra.cf").write_text(started)
    (conf / "main.cf").write_text(MAIN_CF + started)


@dataclass
class Attempt:
    """The last verdict on one recipient of a message, as the log tells it."""

    identifier: str
    recipient: str
    relay: str
    state: str
    reason: str
    sender: str
    tls: str


_VERDICT = re.compile(
    r"(?P<program>[\w/-]+)\[\d+\]: (?P<id>[0-9A-F]+): to=<(?P<to>[^>]*)>, (?:orig_to=<[^>]*>, )?"
    r"relay=(?P<relay>[^,]+), .*?status=(?P<state>\w+) \((?P<reason>.*)\)$"
)
_SENDER = re.compile(r"qmgr\[\d+\]: (?P<id>[0-9A-F]+): from=<(?P<from>[^>]*)>")
_TLS = re.compile(
    r"(?P<program>[\w/-]+)\[(?P<pid>\d+)\]: (?P<trust>\w+) TLS connection established to "
    r"(?P<host>[^\[]+)\[[^\]]*\]:(?P<port>\d+): (?P<protocol>TLSv[\d.]+)"
)
_STATES = {"sent": "delivered", "deferred": "deferred", "bounced": "bounced"}


def attempts(log: list[str]) -> list[Attempt]:
    """Return the last verdict on each recipient outside, in the order of the first ones."""
    senders: dict[str, str] = {}
    protocols: dict[str, str] = {}
    found: dict[tuple[str, str], Attempt] = {}
    for line in log:
        sender = _SENDER.search(line)
        if sender:
            senders[sender["id"]] = sender["from"]
        tls = _TLS.search(line)
        if tls and tls["trust"] in {"Verified", "Trusted"}:
            protocols[f"{tls['host']}:{tls['port']}"] = tls["protocol"]
        verdict = _VERDICT.search(line)
        if verdict is None or "/lmtp" in verdict["program"]:
            continue
        relay = re.sub(r"\[[^\]]*\]", "", verdict["relay"])
        found[verdict["id"], verdict["to"]] = Attempt(
            verdict["id"], verdict["to"], "" if relay == "none" else relay,
            _STATES.get(verdict["state"], verdict["state"]), verdict["reason"],
            senders.get(verdict["id"], ""), protocols.get(relay, ""),
        )  # fmt: skip
    return list(found.values())


def waiting(listing: str) -> list[dict[str, object]]:
    """Return the messages that `postqueue -j` lists."""
    return [json.loads(line) for line in listing.splitlines()]
