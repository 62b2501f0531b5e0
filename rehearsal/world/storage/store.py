"""Buckets, objects and their versions, kept as files."""

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal.world.storage.refusal import RefusalError, no_such_bucket, no_such_key

UNVERSIONED = "null"
"""Version id of an object that was written while its bucket kept no versions."""

_BUCKET_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass
class Version:
    """One version of an object, or the mark of its deletion."""

    key: str
    version: str
    modified: str
    size: int = 0
    etag: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    deleted: bool = False


class Bucket:
    """A bucket with its settings and objects."""

    def __init__(self, folder: Path) -> None:
        """Read the bucket that `folder` holds."""
        self.name = folder.name
        self._folder = folder
        kept: dict[str, Any] = json.loads((folder / "bucket.json").read_text())
        self.created: str = kept["created"]
        self.settings: dict[str, str] = kept["settings"]
        self._versions: dict[str, list[Version]] = {}
        for path in (folder / "objects").glob("*/*.json"):
            version = Version(**json.loads(path.read_text()))
            self._versions.setdefault(version.key, []).append(version)
        for versions in self._versions.values():
            versions.sort(key=lambda one: one.modified)

    def set(self, name: str, value: str | None) -> None:
        """Change a setting of the bucket; None removes it."""
        self.settings.pop(name, None)
        if value is not None:
            self.settings[name] = value
        self._write()

    def _write(self) -> None:
        kept = {"created": self.created, "settings": self.settings}
        (self._folder / "bucket.json").write_text(json.dumps(kept))

    @property
    def empty(self) -> bool:
        """Whether nothing is in it, not even old versions."""
        return not self._versions

    def _place(self, version: Version) -> Path:
        name = hashlib.sha256(version.key.encode()).hexdigest()
        return self._folder / "objects" / name / version.version

    def _keep(self, version: Version, content: bytes | None) -> Version:
        versions = self._versions.setdefault(version.key, [])
        if version.version == UNVERSIONED:
            for old in [version for version in versions if version.version == UNVERSIONED]:
                self._forget(old)
            versions = self._versions.setdefault(version.key, [])
        place = self._place(version)
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            place.with_suffix(".data").write_bytes(content)
        place.with_suffix(".json").write_text(json.dumps(asdict(version)))
        versions.append(version)
        return version

    def _forget(self, version: Version) -> None:
        self._versions[version.key].remove(version)
        if not self._versions[version.key]:
            del self._versions[version.key]
        place = self._place(version)
        place.with_suffix(".data").unlink(missing_ok=True)
        place.with_suffix(".json").unlink(missing_ok=True)
        if not any(place.parent.iterdir()):
            place.parent.rmdir()

    def _new_version(self) -> str:
        keeps = self.settings.get("versioning") == "Enabled"
        return secrets.token_hex(16) if keeps else UNVERSIONED

    def put(self, key: str, content: bytes, headers: dict[str, str], etag: str = "") -> Version:
        """Write an object."""
        etag = etag or hashlib.md5(content, usedforsecurity=False).hexdigest()
        version = Version(key, self._new_version(), _now(), len(content), etag, headers)
        return self._keep(version, content)

    def find(self, key: str, version: str | None = None) -> Version:
        """Find an object, the latest version unless told otherwise.

        Raises:
            RefusalError: there is none.
        """
        versions = self._versions.get(key, [])
        if version is None:
            if not versions or versions[-1].deleted:
                raise no_such_key()
            return versions[-1]
        for kept_version in versions:
            if kept_version.version == version:
                return kept_version
        raise RefusalError(404, "NoSuchVersion", "The specified version does not exist.")

    def content(self, version: Version) -> bytes:
        """Return what an object holds."""
        return self._place(version).with_suffix(".data").read_bytes()

    def set_header(self, version: Version, name: str, value: str | None) -> None:
        """Change what is kept beside an object, such as its tags."""
        version.headers.pop(name, None)
        if value is not None:
            version.headers[name] = value
        self._place(version).with_suffix(".json").write_text(json.dumps(asdict(version)))

    def delete(self, key: str, version: str | None = None) -> Version | None:
        """Delete an object, or one of its versions; return the version or mark concerned."""
        if version is not None:
            for kept_version in self._versions.get(key, []):
                if kept_version.version == version:
                    self._forget(kept_version)
                    return kept_version
            return None
        if "versioning" not in self.settings:
            for kept_version in list(self._versions.get(key, [])):
                self._forget(kept_version)
            return None
        return self._keep(Version(key, self._new_version(), _now(), deleted=True), None)

    def current(self, prefix: str) -> Iterator[Version]:
        """Yield the latest versions of objects that are there, by key."""
        for key in sorted(self._versions):
            if key.startswith(prefix) and not self._versions[key][-1].deleted:
                yield self._versions[key][-1]

    def history(self, prefix: str) -> Iterator[tuple[Version, bool]]:
        """Yield all versions by key, the newest first, and whether each is the latest."""
        for key in sorted(self._versions):
            if key.startswith(prefix):
                for index, version in enumerate(reversed(self._versions[key])):
                    yield version, index == 0


class Store:
    """All buckets, and the uploads in parts that are under way."""

    def __init__(self, folder: Path) -> None:
        """Read what `folder` holds."""
        self._folder = folder / "buckets"
        self._uploads = folder / "uploads"
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._uploads, ignore_errors=True)
        self._uploads.mkdir()
        self.buckets = {path.name: Bucket(path) for path in sorted(self._folder.iterdir())}
        self._parts: dict[str, dict[int, tuple[str, Path]]] = {}
        self._begun: dict[str, tuple[str, str, dict[str, str]]] = {}

    def bucket(self, name: str) -> Bucket:
        """Find a bucket.

        Raises:
            RefusalError: there is none of this name.
        """
        if name not in self.buckets:
            raise no_such_bucket()
        return self.buckets[name]

    def make(self, name: str) -> Bucket:
        """Make a bucket."""
        if name in self.buckets:
            message = "Your previous request to create the named bucket succeeded."
            raise RefusalError(409, "BucketAlreadyOwnedByYou", message)
        if not _BUCKET_NAME.match(name):
            raise RefusalError(400, "InvalidBucketName", "The specified bucket is not valid.")
        folder = self._folder / name
        (folder / "objects").mkdir(parents=True)
        (folder / "bucket.json").write_text(json.dumps({"created": _now(), "settings": {}}))
        self.buckets[name] = Bucket(folder)
        return self.buckets[name]

    def remove(self, name: str) -> None:
        """Remove an empty bucket."""
        if not self.bucket(name).empty:
            message = "The bucket you tried to delete is not empty"
            raise RefusalError(409, "BucketNotEmpty", message)
        shutil.rmtree(self._folder / name)
        del self.buckets[name]

    # Uploads in parts

    def begin(self, bucket: str, key: str, headers: dict[str, str]) -> str:
        """Begin an upload in parts and return its id."""
        self.bucket(bucket)
        upload = secrets.token_hex(16)
        (self._uploads / upload).mkdir()
        self._parts[upload] = {}
        self._begun[upload] = (bucket, key, headers)
        return upload

    def uploads(self, bucket: str) -> list[tuple[str, str]]:
        """Return key and id of the uploads under way."""
        return [(key, one) for one, (name, key, _) in self._begun.items() if name == bucket]

    def _upload(self, upload: str, bucket: str, key: str) -> dict[int, tuple[str, Path]]:
        if self._begun.get(upload, ("", "", {}))[:2] != (bucket, key):
            raise RefusalError(404, "NoSuchUpload", "The specified multipart upload is not there.")
        return self._parts[upload]

    def add_part(self, upload: str, bucket: str, key: str, number: int, content: bytes) -> str:
        """Keep a part and return its ETag."""
        parts = self._upload(upload, bucket, key)
        path = self._uploads / upload / str(number)
        path.write_bytes(content)
        parts[number] = (hashlib.md5(content, usedforsecurity=False).hexdigest(), path)
        return parts[number][0]

    def parts(self, upload: str, bucket: str, key: str) -> list[tuple[int, str, int]]:
        """Return number, ETag and size of the parts of an upload."""
        parts = self._upload(upload, bucket, key)
        return [(n, etag, path.stat().st_size) for n, (etag, path) in sorted(parts.items())]

    def finish(self, upload: str, bucket: str, key: str, chosen: list[tuple[int, str]]) -> Version:
        """Put the chosen parts (number, ETag) together."""
        parts = self._upload(upload, bucket, key)
        if any(number not in parts or parts[number][0] != etag for number, etag in chosen):
            message = "One or more of the specified parts could not be found."
            raise RefusalError(400, "InvalidPart", message)
        content = b"".join(parts[number][1].read_bytes() for number, _ in chosen)
        sums = b"".join(bytes.fromhex(parts[number][0]) for number, _ in chosen)
        etag = f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(chosen)}"
        headers = self._begun[upload][2]
        version = self.bucket(bucket).put(key, content, headers, etag)
        self.abort(upload, bucket, key)
        return version

    def abort(self, upload: str, bucket: str, key: str) -> None:
        """Forget an upload."""
        self._upload(upload, bucket, key)
        shutil.rmtree(self._uploads / upload, ignore_errors=True)
        del self._parts[upload], self._begun[upload]
