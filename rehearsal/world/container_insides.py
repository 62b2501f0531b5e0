"""What a container does by itself when it starts, beyond standing in a list.

Mailcow's Dovecot makes the keys of the mail at its first start. A Dovecot that is started with a
configuration of its own serves what that configuration says: the drill opens restored mail so.
"""

import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pulumi_mailcow.testing import passwords
from rehearsal.world.docker_containers import SERVICE_LABEL, EngineRefusalError, on_host
from rehearsal.world.mail.imap import ImapListener
from rehearsal.world.mail.store import MailStore

_KEYS = "/mail_crypt"
_CONFIGURATION = re.compile(r"/[\w./-]+/dovecot\.conf")


class Insides:
    """What runs inside the containers of one engine."""

    def __init__(self, root: Path) -> None:
        """Take the scratch root of the host, below which mounts come from."""
        self._root = root
        self.running: dict[str, ImapListener] = {}

    async def start(self, container: dict[str, Any]) -> None:
        """Do what this container does at its start."""
        mounts = {
            mount["Destination"].rstrip("/"): on_host(self._root, str(mount["Source"]))
            for mount in container["Mounts"]
        }
        service = (container["Config"]["Labels"] or {}).get(SERVICE_LABEL)
        if service == "dovecot-mailcow" and _KEYS in mounts:
            make_keys(mounts[_KEYS])
        words = [container["Path"], *container["Args"]]
        given = next((word for word in words if _CONFIGURATION.fullmatch(str(word))), None)
        if given is not None and words[0] == "dovecot":
            listener = dovecot(self._inside(given, mounts), mounts, self._inside)
            await listener.start()
            self.running[container["Id"]] = listener

    async def stop(self, identity: str) -> None:
        """End what runs inside a container, if anything does."""
        listener = self.running.pop(identity, None)
        if listener is not None:
            await listener.stop()

    def _inside(self, path: str, mounts: dict[str, Path]) -> Path:
        """Return where a path of the container lies on this machine.

        Raises:
            EngineRefusalError: it is on no mount, or leads out of the host.
        """
        for destination, source in sorted(mounts.items(), key=lambda mount: -len(mount[0])):
            if path == destination or path.startswith(f"{destination}/"):
                return on_host(self._root, str(source / path[len(destination) :].lstrip("/")))
        raise EngineRefusalError(400, f"{path} is on no mount; a container here has no other files")


def make_keys(folder: Path) -> None:
    """Make the pair of keys of the mail, unless it is there."""
    private, public = folder / "ecprivkey.pem", folder / "ecpubkey.pem"
    if private.exists() and public.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def dovecot(configuration: Path, mounts: dict[str, Path], inside: Any) -> ImapListener:
    """Return an IMAP server that obeys a Dovecot's configuration: port, mail, passwords, master.

    Mail of the rehearsal is not encrypted, so the keys are of no use here; that they fit each
    other is asked of `openssl`.
    """
    text = configuration.read_text()
    port = int(re.findall(r"port = (\d+)", text)[0])
    mail = re.findall(r"mail_location = maildir:([\w/.-]+?)/%d", text)[0]
    master, people = (
        inside(match, mounts)
        for match in re.findall(r"args = (?:username_format=%u )?(/\S+)", text)[:2]
    )

    def check(address: str, password: str) -> bool:
        mailbox, star, user = address.partition("*")
        kept = _passwords(master if star else people)
        return mailbox in _passwords(people) and _right(kept.get(user or mailbox, ""), password)

    return ImapListener(
        MailStore(inside(mail, mounts)), check, tls=None, admit=lambda: True, port=port
    )


def _passwords(file: Path) -> dict[str, str]:
    pairs = (line.partition(":") for line in file.read_text().splitlines() if line)
    return {name.lower(): kept for name, _, kept in pairs}


def _right(kept: str, password: str) -> bool:
    if kept.startswith("{PLAIN}"):
        return kept.removeprefix("{PLAIN}") == password
    return passwords.verify(kept, password)
