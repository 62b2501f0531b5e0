"""Restored mail, opened by a Dovecot of its own: its configuration, and what is asked of it.

The Dovecot has no network. It is spoken to over standard input and output of a shell in its
container, which carries the bytes to its loopback. The port is one that is free on the host too: a
rehearsed container shares the host's network.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import secrets
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import inventory
else:
    import inventory

INSIDE = "/drill"
"""Where the folder of the configuration lies in the container."""
KEYS = "/mail_crypt"
"""Where the keys of the mail lie in the container."""
MASTER = "drill"
"""Name of the one who may open every restored mailbox, while the drill lasts."""
_TALK = """\
exec 3<>/dev/tcp/127.0.0.1/{port}
cat <&3 &
cat >&3
kill $! 2>/dev/null
"""
"""Carries bytes between whoever runs it and the port of Dovecot."""
_AT_ONCE = 200
"""Messages whose headers are asked for in one command."""
_FOLDER = re.compile(r'^\((?P<flags>[^)]*)\) (?:"[^"]*"|NIL) (?P<name>.*)$')

Finding = tuple[str, bool, str, int]
"""What a check found: its id, whether it is good, in words, how many were looked at."""


def render_configuration(
    port: int, *, mail: str = "/var/vmail", keys: str = KEYS, folder: str = INSIDE,
    user: str = "5000",
) -> str:  # fmt: skip
    """Return the configuration of Dovecot 2.3.

    Args:
        port: Port on its loopback.
        mail: Where the mail lies, as it sees it.
        keys: Where the keys of mail_crypt lie.
        folder: Where the files of passwords lie.
        user: Number of the user and group to whom the mail belongs.
    """
    return f"""\
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
log_path = /dev/stderr
auth_mechanisms = plain
auth_master_user_separator = *
first_valid_uid = 1
mail_plugins = mail_crypt zlib
mail_location = maildir:{mail}/%d/%n/Maildir:INDEX=MEMORY
maildir_very_dirty_syncs = no
namespace inbox {{
  inbox = yes
  separator = /
}}
plugin {{
  mail_crypt_global_private_key = <{keys}/ecprivkey.pem
  mail_crypt_global_public_key = <{keys}/ecpubkey.pem
  mail_crypt_save_version = 2
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service auth {{
  user = root
}}
passdb {{
  driver = passwd-file
  args = {folder}/master
  master = yes
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/people
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={mail}/%d/%n
}}
"""


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RestoredMail:
    """The restored mail and the folder of the Dovecot that opens it."""

    def __init__(self, folder: Path, mail: Path) -> None:
        """Take a folder for the configuration, and the restored mail.

        Args:
            folder: Is made; it must lie below a folder that nobody else can enter.
            mail: The restored volume of mail.
        """
        self._folder = folder
        self._mail = mail
        self._word = secrets.token_urlsafe(24)

    def configure(self, people: Mapping[str, str]) -> None:
        """Write what Dovecot and the shell in its container read.

        Args:
            people: The hash of the password by address, as the restored database has them.
        """
        port = free_port()
        self._folder.mkdir(mode=0o755)
        files = {
            "dovecot.conf": render_configuration(port),
            "master": f"{MASTER}:{{PLAIN}}{self._word}\n",
            "people": "".join(f"{address}:{kept}\n" for address, kept in people.items()),
            "talk.sh": _TALK.format(port=port),
        }
        for name, text in files.items():
            path = self._folder / name
            path.write_text(text, "utf-8")
            path.chmod(0o644)

    def check_key(self, ask: Callable[[Sequence[str]], str]) -> Finding:
        """The key of the mail is there and is one pair.

        Args:
            ask: Runs a command in the container and returns what it says, nothing if it fails.
        """
        public = ask(["openssl", "pkey", "-in", f"{KEYS}/ecprivkey.pem", "-pubout"]).split()
        good = bool(public) and public == ask(["cat", f"{KEYS}/ecpubkey.pem"]).split()
        return "crypt", good, "the pair fits" if good else "the keys are no pair", 2

    def check_mailboxes(self, talk: Sequence[str], people: Sequence[str]) -> Finding:
        """Every mailbox opens, its folders hold what the disk holds, every message can be read."""
        count, wrong = 0, []
        for address in people:
            try:
                with _session(talk, f"{address}*{MASTER}", self._word) as session:
                    found = sum(_read_folder(session, name) for name in _folders(session))
            except (imaplib.IMAP4.error, OSError) as error:
                wrong.append(f"{address}: {error or type(error).__name__}")
                continue
            there = self._on_disk(address)
            if found != there:
                wrong.append(f"{address}: {found} messages over IMAP, {there} on the disk")
            count += found
        if not people:
            return "imap", False, "the backup holds no mailbox, so none was opened", 0
        text = "; ".join(wrong[:3]) or (
            f"{len(people)} mailboxes opened by a master user, {count} messages read"
        )
        return "imap", not wrong, text, count

    def _on_disk(self, address: str) -> int:
        local, _, domain = address.rpartition("@")
        top = self._mail / domain / local
        return len(inventory.message_keys(top))


@contextlib.contextmanager
def _session(talk: Sequence[str], user: str, password: str) -> Iterator[imaplib.IMAP4]:
    """Sign in; sign out in the end."""
    session = imaplib.IMAP4_stream(shlex.join(talk))
    try:
        # Quoted, for a star is no part of a plain word (RFC 3501); the password is quoted already.
        session.login(f'"{user}"', password)
        yield session
        session.logout()
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            session.shutdown()


def _folders(session: imaplib.IMAP4) -> list[str]:
    """Return the names of the folders as the server spells them."""
    names = []
    for line in session.list()[1]:
        found = _FOLDER.match(line.decode("utf-8", "replace")) if isinstance(line, bytes) else None
        if found and "\\noselect" not in found["flags"].lower():
            names.append(found["name"])
    return names


def _read_folder(session: imaplib.IMAP4, name: str) -> int:
    """Read the header of every message; return how many there are.

    Raises:
        IMAP4.error: one cannot be read.
    """
    status, said = session.select(name, readonly=True)
    if status != "OK":
        raise imaplib.IMAP4.error(f"{name} does not open")
    count = int(said[0] or b"0")
    for first in range(1, count + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, count)
        what = "(BODY.PEEK[HEADER])"
        status, answers = session.fetch(f"{first}:{last}", what)
        read = [answer for answer in answers if isinstance(answer, tuple) and answer[1].strip()]
        if status != "OK" or len(read) != last - first + 1:
            raise imaplib.IMAP4.error(f"{name}: only {len(read)} of {last - first + 1} can be read")
    return count
