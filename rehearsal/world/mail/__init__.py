"""The mail server of the rehearsed host: it obeys the files that the deployment wrote."""

from rehearsal.world.mail.server import MailServer

__all__ = ["MailServer"]
