"""Messages on the rehearsed host's disk: one Maildir++ per mailbox, as Dovecot keeps them."""

import mailbox
from pathlib import Path


class MailStore:
    """The volume `vmail-vol-1` of the rehearsed host."""

    def __init__(self, folder: Path) -> None:
        """Keep mail below `folder`."""
        self._folder = folder

    def home(self, address: str) -> Path:
        """Return the Maildir of `address`, made if need be."""
        local, _, domain = address.rpartition("@")
        path = self._folder / domain / local / "Maildir"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            mailbox.Maildir(str(path), create=True)
        return path

    def deliver(self, address: str, message: bytes, *, junk: bool = False) -> None:
        """Put `message` into INBOX, or into Junk."""
        inbox = mailbox.Maildir(str(self.home(address)), create=True)
        if not junk:
            inbox.add(message)
            return
        if "Junk" not in inbox.list_folders():
            inbox.add_folder("Junk")
        inbox.get_folder("Junk").add(message)
