"""Mailcow's web address on the rehearsed host: the provider's stand-in behind nginx."""

from pulumi_mailcow.testing.people import Person, Relay
from rehearsal.world.mailcow_api.service import MailcowApi

__all__ = ["MailcowApi", "Person", "Relay"]
