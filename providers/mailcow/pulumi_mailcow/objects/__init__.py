"""The objects of Mailcow, one small module each."""

from pulumi_mailcow.objects.alias import Alias
from pulumi_mailcow.objects.app_password import AppPassword
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.objects.bcc_map import BccMap
from pulumi_mailcow.objects.dkim import DkimKey
from pulumi_mailcow.objects.domain import Domain
from pulumi_mailcow.objects.domain_admin import DomainAdmin
from pulumi_mailcow.objects.forwarding_host import ForwardingHost
from pulumi_mailcow.objects.mailbox import Mailbox
from pulumi_mailcow.objects.mta_sts import MtaSts
from pulumi_mailcow.objects.policy import DomainPolicy, MailboxPolicy
from pulumi_mailcow.objects.rate_limit import RateLimit
from pulumi_mailcow.objects.recipient_map import RecipientMap
from pulumi_mailcow.objects.relayhost import Relayhost
from pulumi_mailcow.objects.resource import Resource
from pulumi_mailcow.objects.spam_score import SpamScore
from pulumi_mailcow.objects.sync_job import SyncJob
from pulumi_mailcow.objects.tls_policy import TlsPolicyMap
from pulumi_mailcow.objects.transport import Transport

OBJECTS: tuple[MailcowObject, ...] = (
    Domain(),
    Mailbox(),
    Alias(),
    Relayhost(),
    Transport(),
    TlsPolicyMap(),
    DkimKey(),
    MtaSts(),
    AppPassword(),
    Resource(),
    BccMap(),
    RecipientMap(),
    RateLimit(),
    DomainPolicy(),
    MailboxPolicy(),
    SpamScore(),
    DomainAdmin(),
    ForwardingHost(),
    SyncJob(),
)
"""Every object, in the order of the reference page."""
BY_TOKEN = {item.token: item for item in OBJECTS}
"""Objects by the name of their resource class."""
