"""What the mail server asks of a Mailcow: who there is, and where mail to an address goes."""

import json
from dataclasses import dataclass

from pulumi_mailcow.testing import passwords
from pulumi_mailcow.testing.store import Store

_SINKS = frozenset({"null@localhost", "spam@localhost", "ham@localhost"})
_DEPTH = 10


@dataclass(frozen=True)
class Person:
    """A mailbox.

    Attributes:
        quota: Bytes, 0 for no limit.
        active: 1 for yes, 0 for no, 2 for receiving only.
    """

    address: str
    name: str
    quota: int
    active: int


@dataclass(frozen=True)
class Relay:
    """A relayhost that a sender's mail takes."""

    hostname: str
    username: str
    password: str

    def __repr__(self) -> str:
        """Show it without the password."""
        return f"Relay({self.hostname!r}, {self.username!r})"


class People:
    """The tables as Postfix and Dovecot read them."""

    def __init__(self, store: Store) -> None:
        """Read from `store`."""
        self._store = store

    def mailboxes(self) -> list[Person]:
        """Return every mailbox, switched-off ones too."""
        rows = self._store.rows(
            "SELECT username, name, quota, active FROM mailbox WHERE kind = '' ORDER BY username"
        )
        return [Person(row["username"], row["name"], row["quota"], row["active"]) for row in rows]

    def domains(self) -> list[str]:
        """Return the domains, alias domains included, for which mail is taken."""
        rows = self._store.rows(
            "SELECT domain AS name FROM domain WHERE active = 1 UNION"
            " SELECT alias_domain FROM alias_domain WHERE active = 1"
        )
        return [row["name"].lower() for row in rows]

    def check_password(self, address: str, password: str) -> bool:
        """Return whether `password`, or an app password, opens the mailbox `address`."""
        row = self._store.row(
            "SELECT mailbox.password FROM mailbox JOIN domain USING (domain) WHERE username = ?"
            " AND kind = '' AND mailbox.active = 1 AND domain.active = 1",
            address,
        )
        if row is None:
            return False
        apps = self._store.rows(
            "SELECT password FROM app_passwd WHERE mailbox = ? AND active = 1", address
        )
        return any(passwords.verify(app["password"], password) for app in (row, *apps))

    def resolve_recipients(self, address: str) -> list[str]:
        """Return where mail to `address` goes: mailboxes of ours, and addresses elsewhere.

        Aliases are followed; alias domains, `name+tag` and catch-all count. Empty where there is
        nobody, or where the mail is thrown away.
        """
        found: dict[str, None] = {}
        self._follow(address.lower(), found, _DEPTH)
        return list(found)

    def _follow(self, address: str, found: dict[str, None], depth: int) -> None:
        local, _, domain = address.partition("@")
        if domain not in self.domains():
            if address not in _SINKS and local:
                found[address] = None
            return
        for candidate in self._candidates(local, domain):
            if self._mailbox(candidate):
                found[candidate] = None
                return
            goto = self._store.value(
                "SELECT goto FROM alias WHERE address = ? AND active = 1 AND goto != address",
                candidate,
            )
            if goto is not None:
                for target in goto.lower().split(","):
                    if depth and target:
                        self._follow(target, found, depth - 1)
                return

    def _candidates(self, local: str, domain: str) -> list[str]:
        target = self._store.value(
            "SELECT target_domain FROM alias_domain WHERE alias_domain = ? AND active = 1", domain
        )
        domains = [domain, *([target.lower()] if target else [])]
        locals_ = [local, *([local.partition("+")[0]] if "+" in local else []), ""]
        return [f"{name}@{where}" for name in locals_ for where in domains]

    def _mailbox(self, address: str) -> bool:
        query = "SELECT 1 FROM mailbox WHERE username = ? AND kind = '' AND active IN (1, 2)"
        return self._store.value(query, address) is not None

    def relayhost_of(self, sender: str) -> Relay | None:
        """Return the relayhost bound to a sender's mailbox or else to its domain, if active."""
        domain = sender.rpartition("@")[2]
        kept = self._store.value("SELECT attributes FROM mailbox WHERE username = ?", sender)
        bound = json.loads(kept).get("relayhost", "0") if kept else "0"
        if bound == "0":
            bound = self._store.value("SELECT relayhost FROM domain WHERE domain = ?", domain)
        row = self._store.row("SELECT * FROM relayhosts WHERE id = ? AND active = 1", bound or "0")
        return Relay(row["hostname"], row["username"], row["password"]) if row else None
