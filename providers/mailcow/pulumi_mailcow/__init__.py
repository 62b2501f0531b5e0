"""The local Pulumi package `mailcow`: resource classes for every object of Mailcow's API."""

from pulumi_mailcow.resources import Alias, Domain, Mailbox, Provider, Relayhost

__all__ = ["Alias", "Domain", "Mailbox", "Provider", "Relayhost"]
