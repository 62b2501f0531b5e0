"""Where the stand-in for restic keeps its snapshots: a bucket or a folder, everything sealed.

The layout is not restic's. It is encrypted with the passphrase, stores equal content once, and
notices what was altered or is missing; that is what a rehearsal of a backup needs. As in restic, a
passphrase opens a key of its own, which opens the one that everything is sealed with: passphrases
come and go, and what was stored before stays readable.
"""

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from rehearsal.world.host_tools.surroundings import ToolError

CHUNK = 4 * 2**20
"""Bytes of a file that are stored as one piece."""


class Shelf(Protocol):
    """Named blobs."""

    def put(self, name: str, content: bytes) -> None:
        """Store a blob."""

    def get(self, name: str) -> bytes | None:
        """Return a blob, None if there is none."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with `prefix`."""

    def remove(self, name: str) -> None:
        """Remove a blob."""


class FolderShelf:
    """Blobs as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Store a blob."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(content)

    def get(self, name: str) -> bytes | None:
        """Return a blob, None if there is none."""
        path = self._folder / name
        return path.read_bytes() if path.is_file() else None

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with `prefix`."""
        for path in sorted((self._folder / prefix).glob("*")):
            yield prefix + path.name

    def remove(self, name: str) -> None:
        """Remove a blob."""
        (self._folder / name).unlink(missing_ok=True)


class BucketShelf:
    """Blobs as objects of a bucket."""

    def __init__(self, address: str) -> None:
        """Take an address as restic writes it: `http://host:port/bucket/prefix`."""
        # The client library is slow to import, and only needed here.
        from minio import Minio  # noqa: PLC0415
        from urllib3 import PoolManager  # noqa: PLC0415

        parts = urlsplit(address if "://" in address else f"https://{address}")
        bucket, _, prefix = parts.path.strip("/").partition("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._client = Minio(
            endpoint=parts.netloc, access_key=os.environ.get("AWS_ACCESS_KEY_ID", ""),
            secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY", ""), secure=parts.scheme == "https",
            region=os.environ.get("AWS_DEFAULT_REGION") or None,
            http_client=PoolManager(retries=False, timeout=20.0),
        )  # fmt: skip

    def put(self, name: str, content: bytes) -> None:
        """Store a blob."""
        self._client.put_object(
            bucket_name=self._bucket, object_name=self._prefix + name, data=io.BytesIO(content),
            length=len(content),
        )  # fmt: skip

    def get(self, name: str) -> bytes | None:
        """Return a blob, None if there is none."""
        from minio.error import S3Error  # noqa: PLC0415

        try:
            answer = self._client.get_object(
                bucket_name=self._bucket, object_name=self._prefix + name
            )
        except S3Error as error:
            if error.code in {"NoSuchKey", "NoSuchBucket"}:
                return None
            raise
        try:
            content: bytes = answer.read()
        finally:
            answer.close()
            answer.release_conn()
        return content

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with `prefix`."""
        found = self._client.list_objects(
            bucket_name=self._bucket, prefix=self._prefix + prefix, recursive=True
        )
        for item in found:
            yield str(item.object_name).removeprefix(self._prefix)

    def remove(self, name: str) -> None:
        """Remove a blob."""
        self._client.remove_object(bucket_name=self._bucket, object_name=self._prefix + name)


def shelf_of(repository: str) -> Shelf:
    """Return the shelf that a repository's address names."""
    if repository.startswith("s3:"):
        return BucketShelf(repository.removeprefix("s3:"))
    return FolderShelf(Path(repository))


def _keep_key(shelf: Shelf, identity: str, master: bytes, password: str) -> str:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = nonce + _lock(password, salt).encrypt(nonce, master, identity.encode())
    content = json.dumps(
        {"salt": salt.hex(), "sealed": sealed.hex(), "created": datetime.now(UTC).isoformat()}
    ).encode()
    name = hashlib.sha256(content).hexdigest()
    shelf.put(f"keys/{name}", content)
    return name


def _lock(password: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(password.encode()))


class Repository:
    """A repository that was opened with one of its passphrases."""

    def __init__(self, shelf: Shelf, address: str, password: str) -> None:
        """Open a repository.

        Raises:
            ToolError: there is none, or no key of it has this passphrase.
        """
        text = shelf.get("config")
        if text is None:
            raise ToolError(
                "Fatal: unable to open config file: the specified key does not exist\n"
                f"Is there a repository at the following location?\n{address}", 10,
            )  # fmt: skip
        self.shelf = shelf
        self.identity: str = json.loads(text)["id"]
        self.key, self._master = self._opened(password)
        self._cipher = AESGCM(self._master)

    def _opened(self, password: str) -> tuple[str, bytes]:
        """Return the name of the key that a passphrase opens, and what is behind it."""
        for name, kept in self.keys().items():
            sealed = bytes.fromhex(kept["sealed"])
            lock = _lock(password, bytes.fromhex(kept["salt"]))
            with suppress(InvalidTag):
                return name, lock.decrypt(sealed[:12], sealed[12:], self.identity.encode())
        raise ToolError("Fatal: wrong password or no key found", 12)

    @classmethod
    def make(cls, shelf: Shelf, address: str, password: str) -> "Repository":
        """Make a repository.

        Raises:
            ToolError: there is one already.
        """
        if shelf.get("config") is not None:
            raise ToolError("Fatal: create repository failed: config file already exists")
        identity = secrets.token_hex(32)
        _keep_key(shelf, identity, AESGCM.generate_key(256), password)
        shelf.put("config", json.dumps({"id": identity}).encode())
        return cls(shelf, address, password)

    def keys(self) -> dict[str, dict[str, str]]:
        """Return the sealed keys by name."""
        found = {}
        for place in list(self.shelf.names("keys/")):
            found[place.removeprefix("keys/")] = json.loads(self.shelf.get(place) or b"{}")
        return found

    def add_key(self, password: str) -> str:
        """Let another passphrase open the repository as well; return the name of its key."""
        return _keep_key(self.shelf, self.identity, self._master, password)

    def remove_key(self, name: str) -> None:
        """Remove a key, which may be abbreviated.

        Raises:
            ToolError: there is none, or it is the one in use.
        """
        found = [key for key in self.keys() if name and key.startswith(name)]
        if len(found) != 1:
            raise ToolError(f'Fatal: no matching ID found for prefix "{name}"')
        if found[0] == self.key:
            raise ToolError("Fatal: refusing to remove key currently used to access repository")
        self.shelf.remove(f"keys/{found[0]}")

    def seal(self, content: bytes, label: bytes) -> bytes:
        """Encrypt content under a label that must be given again to open it."""
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher.encrypt(nonce, content, label)

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """Decrypt what was sealed under this label."""
        return self._cipher.decrypt(sealed[:12], sealed[12:], label)

    def store(self, content: bytes, known: set[str]) -> str:
        """Store a piece of content unless it is there, and return its name."""
        # The name must not tell the content to whoever reads the bucket's listing.
        digest = hashlib.sha256(self.identity.encode() + content).hexdigest()
        if digest not in known:
            self.shelf.put(f"data/{digest}", self.seal(content, digest.encode()))
            known.add(digest)
        return digest

    def piece(self, digest: str) -> bytes:
        """Return a piece of content.

        Raises:
            ToolError: it is missing or was altered.
        """
        sealed = self.shelf.get(f"data/{digest}")
        if sealed is None:
            raise ToolError(f"Fatal: blob {digest[:8]} not found in the repository")
        try:
            return self.open(sealed, digest.encode())
        except InvalidTag:
            raise ToolError(f"Fatal: blob {digest[:8]} is damaged: ciphertext verification "
                            "failed") from None  # fmt: skip

    def pieces(self) -> set[str]:
        """Return the names of all pieces."""
        return {name.removeprefix("data/") for name in self.shelf.names("data/")}

    def add_snapshot(self, snapshot: dict[str, Any]) -> str:
        """Store a snapshot and return its id."""
        identity = hashlib.sha256(json.dumps(snapshot).encode()).hexdigest()
        sealed = self.seal(json.dumps(snapshot).encode(), identity.encode())
        self.shelf.put(f"snapshots/{identity}", sealed)
        return identity

    def snapshots(self) -> list[dict[str, Any]]:
        """Return all snapshots with their ids, the oldest first."""
        found = []
        for name in list(self.shelf.names("snapshots/")):
            identity = name.removeprefix("snapshots/")
            sealed = self.shelf.get(name) or b""
            try:
                content = json.loads(self.open(sealed, identity.encode()))
            except InvalidTag:
                raise ToolError(f"Fatal: snapshot {identity[:8]} is damaged") from None
            found.append(content | {"id": identity, "short_id": identity[:8]})
        return sorted(found, key=lambda one: str(one["time"]))

    def remove_snapshot(self, identity: str) -> None:
        """Remove a snapshot; its pieces stay until they are pruned."""
        self.shelf.remove(f"snapshots/{identity}")
