"""Mailcow's API as the rehearsed host answers it, one module an object."""

from rehearsal.world.mailcow_api.people import Person, Relay
from rehearsal.world.mailcow_api.service import MailcowApi

__all__ = ["MailcowApi", "Person", "Relay"]
