"""The objects of Mailcow, one small module each."""

from pulumi_mailcow.objects.alias import Alias
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.objects.domain import Domain
from pulumi_mailcow.objects.mailbox import Mailbox
from pulumi_mailcow.objects.relayhost import Relayhost

OBJECTS: tuple[MailcowObject, ...] = (Domain(), Mailbox(), Alias(), Relayhost())
"""Every object, in the order of the reference page."""
BY_TOKEN = {item.token: item for item in OBJECTS}
"""Objects by the name of their resource class."""
