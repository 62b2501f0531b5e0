"""One declaration of every object, what it may be changed to, and what a person might do to it."""

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Inputs = dict[str, Any]
Need = tuple[str, str, Inputs]
"""Name, type and declaration of what must be there before."""


def new_key(bits: int = 1024) -> str:
    """Return a private key in PEM; small, because it is quickly made."""
    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


KEYS = (new_key(), new_key())
DOMAIN: Need = (
    "needed-domain",
    "Domain",
    {
        "domain": "example.org",
        "aliases": 2000,
        "mailboxes": 2000,
        "maxquota": 10240,
        "quota": 10240000,
    },
)
MAILBOX: Need = (
    "needed-mailbox",
    "Mailbox",
    {"localPart": "info", "domain": "example.org", "password": "Planted-Needed-1"},
)
RELAYHOST: Need = ("needed-relayhost", "Relayhost", {"hostname": "[smtp.example.net]:587"})


@dataclass(frozen=True)
class Sample:
    """A declaration and its relatives.

    Attributes:
        token: Type.
        inputs: The declaration, with what must be declared and some of the rest.
        changed: What may be changed in place; empty where nothing may.
        replaced: What makes a new object, and it must be one that works.
        drift: Write that a person's click in the web interface comes down to; None if the
            API offers none. `{id}` is the number of the row, `{key}` the identity.
        drifted: Property that the write changes.
        gone: Write that removes it behind Pulumi's back.
        needs: What must be there before.
        table: Where Mailcow keeps it: a table, and perhaps a condition.
        secret: Property that must never show.
    """

    token: str
    inputs: Inputs
    changed: Inputs
    replaced: Inputs
    drift: tuple[str, Any] | None
    drifted: str
    gone: tuple[str, Any]
    needs: tuple[Need, ...]
    table: str
    secret: str = ""

    def __str__(self) -> str:
        return self.token


def edit(attributes: Inputs, item: str = "{id}") -> Inputs:
    return {"items": [item], "attr": attributes}


SAMPLES = (
    Sample(
        "Domain",
        {"domain": "new.example.org", "description": "A company", "tags": ["one", "two"]},
        {"description": "Another", "aliases": 7, "maxquota": 5000, "tags": ["two", "three"],
         "gal": False, "backupmx": True, "relayhost": "1"},
        {"domain": "newer.example.org"},
        ("edit/domain", edit({"mailboxes": 3}, "{key}")), "mailboxes",
        ("delete/domain", ["{key}"]), (RELAYHOST,), "domain",
    ),
    Sample(
        "Mailbox",
        {"localPart": "Anna", "domain": "example.org", "password": "Planted-Mailbox-1",
         "name": "Anna Example", "tags": ["role"], "pwRecoveryEmail": "anna@example.net"},
        {"password": "Planted-Mailbox-2", "quota": 1024, "active": 2, "tlsEnforceIn": True,
         "quarantineNotification": "daily", "quarantineCategory": "all", "imapAccess": False,
         "tags": [], "relayhost": "1", "name": "Anna Sample", "pwRecoveryEmail": ""},
        {"localPart": "anne"},
        ("edit/mailbox", edit({"quota": 99}, "{key}")), "quota",
        ("delete/mailbox", ["{key}"]), (DOMAIN, RELAYHOST), "mailbox WHERE kind = ''", "password",
    ),
    Sample(
        "Alias",
        {"address": "Abuse@example.org", "goto": ["info@example.org", "x@example.net"],
         "publicComment": "Say hello"},
        {"goto": ["y@example.net"], "active": False, "privateComment": "why", "publicComment": ""},
        {"address": "abuse2@example.org"},
        ("edit/alias", edit({"goto": "z@example.net"})), "goto",
        ("delete/alias", ["{id}"]), (DOMAIN, MAILBOX), "alias WHERE address != goto",
    ),
    Sample(
        "Relayhost",
        {"hostname": "[relay.example.net]:587", "username": "user", "password": "planted:relay:1"},
        {"hostname": "[relay2.example.net]:587", "password": "planted:relay:2", "active": False},
        {},
        ("edit/relayhost", edit({"username": "else"})), "username",
        ("delete/relayhost", ["{id}"]), (), "relayhosts", "password",
    ),
    Sample(
        "Transport",
        {"destination": "partner.example.net", "nexthop": "192.0.2.9", "username": "user",
         "password": "planted:transport:1"},
        {"nexthop": "[mx.example.net]:25", "password": "planted:transport:2", "active": False},
        {"destination": "*"},
        ("edit/transport", edit({"username": "else"})), "username",
        ("delete/transport", ["{id}"]), (), "transports", "password",
    ),
    Sample(
        "TlsPolicyMap",
        {"dest": "[smtp.example.net]:587", "policy": "encrypt"},
        {"policy": "secure", "parameters": "match=smtp.example.net"},
        {"dest": "[smtp2.example.net]:587"},
        ("edit/tls-policy-map", edit({"policy": "may"})), "policy",
        ("delete/tls-policy-map", ["{id}"]), (), "tls_policy_override",
    ),
    Sample(
        "DkimKey",
        {"domain": "example.org", "dkimSelector": "s1", "privateKey": KEYS[0]},
        {"privateKey": KEYS[1]},
        {"dkimSelector": "s2"},
        None, "privateKey",
        ("delete/dkim", ["{key}"]), (DOMAIN,), "redis WHERE hash = 'DKIM_PUB_KEYS'", "privateKey",
    ),
    Sample(
        "MtaSts",
        {"domain": "example.org", "mx": ["mail.example.org"]},
        {"mode": "enforce", "mx": ["mail.example.org", "*.example.net"], "maxAge": 86400},
        {},
        ("edit/mta-sts", edit({"version": "stsv1", "mode": "none"}, "{key}")), "mode",
        ("edit/mta-sts", edit({"version": "stsv1", "active": 0}, "{key}")), (DOMAIN,),
        "mta_sts WHERE active = 1",
    ),
    Sample(
        "AppPassword",
        {"username": "info@example.org", "appName": "Printer", "appPasswd": "Planted-App-1"},
        {"appName": "Scanner", "appPasswd": "Planted-App-2", "protocols": ["smtp_access"]},
        {},
        ("edit/app-passwd", edit({"username": "info@example.org", "app_name": "Fax"})), "appName",
        ("delete/app-passwd", ["{id}"]), (DOMAIN, MAILBOX), "app_passwd", "appPasswd",
    ),
    Sample(
        "Resource",
        {"domain": "example.org", "description": "Meeting room 1", "multipleBookings": 1},
        {"description": "Room One", "kind": "thing", "multipleBookings": -1, "active": False},
        {},
        ("edit/resource", edit({"description": "Broom closet"}, "{name}")), "description",
        ("delete/resource", ["{name}"]), (DOMAIN,), "mailbox WHERE kind != ''",
    ),
    Sample(
        "BccMap",
        {"localDest": "example.org", "type": "rcpt", "bccDest": "archive@example.net"},
        {"bccDest": "archive2@example.net", "active": False},
        {"type": "sender"},
        ("edit/bcc", edit({"bcc_dest": "thief@example.net"})), "bccDest",
        ("delete/bcc", ["{id}"]), (DOMAIN,), "bcc_maps",
    ),
    Sample(
        "RecipientMap",
        {"recipientMapOld": "old.example.org", "recipientMapNew": "example.org"},
        {"recipientMapNew": "info@example.org", "active": False},
        {"recipientMapOld": "older@example.org"},
        ("edit/recipient_map", edit({"active": 0})), "active",
        ("delete/recipient_map", ["{id}"]), (DOMAIN,), "recipient_maps",
    ),
    Sample(
        "RateLimit",
        {"object": "info@example.org", "value": 100, "frame": "h"},
        {"value": 10, "frame": "m"},
        {"object": "example.org"},
        ("edit/rl-mbox", edit({"rl_value": 5, "rl_frame": "d"}, "{key}")), "value",
        ("edit/rl-mbox", edit({"rl_value": 0, "rl_frame": "d"}, "{key}")), (DOMAIN, MAILBOX),
        "redis WHERE hash = 'RL_VALUE'",
    ),
    Sample(
        "DomainPolicy",
        {"domain": "example.org", "objectList": "wl", "objectFrom": "*@Partner.example.net"},
        {},
        {"objectList": "bl"},
        None, "objectList",
        ("delete/domain-policy", ["{id}"]), (DOMAIN,), "filterconf WHERE option LIKE '%list_from'",
    ),
    Sample(
        "MailboxPolicy",
        {"username": "info@example.org", "objectList": "bl", "objectFrom": "*@spam.example.net"},
        {},
        {"objectFrom": "*@spam2.example.net"},
        None, "objectList",
        ("delete/mailbox-policy", ["{id}"]), (DOMAIN, MAILBOX),
        "filterconf WHERE option LIKE '%list_from'",
    ),
    Sample(
        "SpamScore",
        {"username": "info@example.org", "lowspamlevel": 4, "highspamlevel": 10.5},
        {"lowspamlevel": 3.5},
        {},
        ("edit/spam-score", edit({"spam_score": "1,2"}, "{key}")), "lowspamlevel",
        ("edit/spam-score", edit({"spam_score": "default"}, "{key}")), (DOMAIN, MAILBOX),
        "filterconf WHERE option = 'lowspamlevel'",
    ),
    Sample(
        "DomainAdmin",
        {"username": "anna", "password": "Planted-Admin-1", "domains": ["example.org"],
         "forceTfa": True},
        {"password": "Planted-Admin-2", "active": False, "forceTfa": False},
        {"username": "anne"},
        ("edit/domain-admin", edit({"force_pw_update": 1, "force_tfa": 1}, "{key}")),
        "forcePwUpdate",
        ("delete/domain-admin", ["{key}"]), (DOMAIN,), "admin", "password",
    ),
    Sample(
        "ForwardingHost",
        {"hostname": "192.0.2.7"},
        {"filterSpam": True},
        {"hostname": "192.0.2.8"},
        ("edit/fwdhost", edit({"keep_spam": 0}, "{key}")), "filterSpam",
        ("delete/fwdhost", ["{key}"]), (), "redis WHERE hash = 'WHITELISTED_FWD_HOST'",
    ),
    Sample(
        "SyncJob",
        {"username": "info@example.org", "host1": "imap.example.net", "user1": "old@example.net",
         "password1": "planted-sync-1"},
        {"password1": "planted-sync-2", "minsInterval": 60, "active": False, "exclude": "",
         "maxbytespersecond": 1000},
        {"user1": "older@example.net"},
        ("edit/syncjob", edit({"delete1": 1})), "delete1",
        ("delete/syncjob", ["{id}"]), (DOMAIN, MAILBOX), "imapsync", "password1",
    ),
)  # fmt: skip
BY_TOKEN = {sample.token: sample for sample in SAMPLES}
