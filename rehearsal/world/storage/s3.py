"""The S3 protocol: requests in, store calls, XML out."""

import base64
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from aiohttp import web

from rehearsal.world.storage import policies
from rehearsal.world.storage.identities import Caller
from rehearsal.world.storage.refusal import RefusalError, access_denied, no_such_key
from rehearsal.world.storage.store import Bucket, Store, Version

_SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_KEPT_HEADERS = {
    "cache-control", "content-disposition", "content-encoding", "content-language",
    "content-type", "expires", "x-amz-storage-class",
}  # fmt: skip
_SETTINGS = {
    "lifecycle": (404, "NoSuchLifecycleConfiguration",
                  "The lifecycle configuration does not exist"),
    "policy": (404, "NoSuchBucketPolicy", "The bucket policy does not exist"),
    "tagging": (404, "NoSuchTagSet", "The TagSet does not exist"),
    "encryption": (404, "ServerSideEncryptionConfigurationNotFoundError",
                   "The server side encryption configuration was not found"),
    "object-lock": (404, "ObjectLockConfigurationNotFoundError",
                    "Object Lock configuration does not exist for this bucket"),
    "replication": (404, "ReplicationConfigurationNotFoundError",
                    "The replication configuration was not found"),
    "cors": (404, "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    "website": (404, "NoSuchWebsiteConfiguration", "No website configuration"),
}  # fmt: skip
_ACTIONS = {
    "lifecycle": "LifecycleConfiguration", "policy": "BucketPolicy", "tagging": "BucketTagging",
    "encryption": "EncryptionConfiguration", "object-lock": "BucketObjectLockConfiguration",
    "replication": "ReplicationConfiguration", "cors": "BucketCORS", "website": "BucketWebsite",
    "versioning": "BucketVersioning", "location": "BucketLocation", "acl": "BucketAcl",
    "notification": "BucketNotification", "policyStatus": "BucketPolicyStatus",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One S3 request, taken apart and found to be signed as it says."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller | None

    @property
    def context(self) -> dict[str, str]:
        """What a policy's conditions may look at."""
        return {
            "prefix": self.query.get("prefix", ""), "delimiter": self.query.get("delimiter", ""),
            "username": self.caller.access_key if self.caller else "", "securetransport": "false",
        }  # fmt: skip

    @property
    def setting(self) -> str | None:
        """The sub-resource of the bucket that is meant, if any."""
        return next((name for name in _ACTIONS if name in self.query), None)


def xml(name: str, *children: "Node", root: bool = False) -> ET.Element:
    """Make an element; a child is an element, or a pair of name and text."""
    element = ET.Element(name, {"xmlns": _SPACE} if root else {})
    for child in children:
        if isinstance(child, tuple):
            ET.SubElement(element, child[0]).text = str(child[1])
        else:
            element.append(child)
    return element


Node = ET.Element | tuple[str, object]


def document(name: str, *children: Node, status: int = 200) -> web.Response:
    """Answer with an XML document."""
    text = ET.tostring(xml(name, *children, root=True), "utf-8", xml_declaration=True)
    return web.Response(body=text, content_type="application/xml", status=status)


def parse(body: bytes) -> ET.Element:
    """Read an XML body, its name space taken off.

    Raises:
        RefusalError: it is none.
    """
    try:
        element = ET.fromstring(body)  # noqa: S314  # only this world's own clients speak here
    except ET.ParseError:
        message = "The XML you provided was not well-formed."
        raise RefusalError(400, "MalformedXML", message) from None
    for node in element.iter():
        node.tag = node.tag.rpartition("}")[2]
    return element


class S3:
    """S3 over a store: path style, one region."""

    def __init__(self, store: Store, region: str) -> None:
        """Serve `store` as if it stood in `region`."""
        self._store = store
        self._region = region
        self._lock = threading.Lock()

    def answer(self, request: Request) -> web.Response:
        """Answer a request.

        Raises:
            RefusalError: it is not allowed, or cannot be done.
        """
        with self._lock:
            if not request.bucket:
                return self._list_buckets(request)
            if request.key:
                return self._object(request)
            return self._bucket(request)

    def _need(self, request: Request, action: str, key: str = "", *, instead: str = "") -> None:
        resource = f"{request.bucket}/{key}" if key else request.bucket
        caller = request.caller
        asked = [f"s3:{item}" for item in (action, instead) if item]
        if caller and any(caller.may(item, resource, request.context) for item in asked):
            return
        bucket = self._store.buckets.get(request.bucket)
        text = bucket.settings.get("policy") if bucket else None
        document = policies.parse(text) if text else None
        if not policies.open_to_all(document, f"s3:{action}", resource, request.context):
            raise access_denied()

    def _list_buckets(self, request: Request) -> web.Response:
        caller = request.caller
        if caller is None:
            raise access_denied()
        everything = caller.may("s3:ListAllMyBuckets", "*", request.context)
        found = [
            xml("Bucket", ("Name", bucket.name), ("CreationDate", bucket.created))
            for bucket in self._store.buckets.values()
            if everything or caller.may("s3:ListBucket", bucket.name, request.context)
        ]
        owner = xml("Owner", ("ID", "rehearsed"), ("DisplayName", "rehearsed"))
        return document("ListAllMyBucketsResult", owner, xml("Buckets", *found))

    # Buckets

    def _bucket(self, request: Request) -> web.Response:
        if request.setting is not None:
            return self._setting(request, request.setting)
        if request.method == "POST" and "delete" in request.query:
            return self._delete_many(request)
        if request.method == "PUT":
            self._need(request, "CreateBucket")
            bucket = self._store.make(request.bucket)
            if request.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
                bucket.set("versioning", "Enabled")
                bucket.set("object-lock", "<ObjectLockConfiguration><ObjectLockEnabled>Enabled"
                           "</ObjectLockEnabled></ObjectLockConfiguration>")  # fmt: skip
            return web.Response(headers={"Location": f"/{request.bucket}"})
        if request.method == "DELETE":
            self._need(request, "DeleteBucket")
            self._store.remove(request.bucket)
            return web.Response(status=204)
        if request.method == "HEAD":
            self._need(request, "ListBucket")
            self._store.bucket(request.bucket)
            return web.Response(headers={"x-amz-bucket-region": self._region})
        if request.method == "GET":
            return self._list(request)
        raise RefusalError(405, "MethodNotAllowed", "The method is not allowed.")

    def _setting(self, request: Request, name: str) -> web.Response:
        verb = "Get" if request.method in {"GET", "HEAD"} else "Put"
        if name == "policy" and request.method == "DELETE":
            verb = "Delete"
        self._need(request, verb + _ACTIONS[name])
        bucket = self._store.bucket(request.bucket)
        if request.method == "GET":
            return self._show(bucket, name)
        if request.method == "PUT":
            self._change(bucket, name, request.body)
            return web.Response(status=204 if name == "policy" else 200)
        if request.method == "DELETE":
            bucket.set(name, None)
            return web.Response(status=204)
        raise RefusalError(405, "MethodNotAllowed", "The method is not allowed.")

    def _show(self, bucket: Bucket, name: str) -> web.Response:
        kept = bucket.settings.get(name)
        if name == "location":
            region = "" if self._region == "us-east-1" else self._region
            element = xml("LocationConstraint", root=True)
            element.text = region
            return web.Response(body=ET.tostring(element), content_type="application/xml")
        if name == "versioning":
            children: list[Node] = [("Status", kept)] if kept else []
            return document("VersioningConfiguration", *children)
        if name == "acl":
            grantee = xml("Grant", ("Permission", "FULL_CONTROL"))
            owner = xml("Owner", ("ID", "rehearsed"))
            return document("AccessControlPolicy", owner, xml("AccessControlList", grantee))
        if name == "notification":
            return document("NotificationConfiguration")
        if name == "policyStatus":
            return document("PolicyStatus", ("IsPublic", str(bool(kept)).lower()))
        if kept is None:
            raise RefusalError(*_SETTINGS[name])
        kind = "application/json" if name == "policy" else "application/xml"
        return web.Response(text=kept, content_type=kind)

    def _change(self, bucket: Bucket, name: str, body: bytes) -> None:
        if name == "policy":
            policies.parse(body)
        elif name == "versioning":
            status = parse(body).findtext("Status", "")
            if status not in {"Enabled", "Suspended"}:
                raise RefusalError(400, "IllegalVersioningConfigurationException", "bad status")
            bucket.set(name, status)
            return
        elif name in {"acl", "notification"}:
            return
        elif name == "lifecycle":
            self._check_lifecycle(parse(body))
        else:
            parse(body)
        bucket.set(name, body.decode())

    @staticmethod
    def _check_lifecycle(lifecycle: ET.Element) -> None:
        rules = lifecycle.findall("Rule")
        acts = {
            "Expiration", "NoncurrentVersionExpiration", "Transition", "DelMarkerExpiration",
            "AbortIncompleteMultipartUpload", "NoncurrentVersionTransition",
        }  # fmt: skip
        for rule in rules:
            sound = rule.findtext("Status") in {"Enabled", "Disabled"}
            if not sound or not acts & {child.tag for child in rule}:
                message = "Rule needs a status and at least one action."
                raise RefusalError(400, "InvalidRequest", message)
        identities = [rule.findtext("ID") for rule in rules if rule.findtext("ID")]
        if not rules or len(identities) != len(set(identities)):
            message = "Lifecycle configuration should have rules, each with an ID of its own."
            raise RefusalError(400, "InvalidArgument", message)

    def _delete_many(self, request: Request) -> web.Response:
        bucket = self._store.bucket(request.bucket)
        wanted = parse(request.body)
        results = []
        for match in wanted.findall("Object"):
            key, version = match.findtext("Key", ""), match.findtext("VersionId")
            try:
                self._need(request, "DeleteObjectVersion" if version else "DeleteObject", key)
            except RefusalError as error:
                results.append(xml("Error", ("Key", key), ("Code", error.code),
                                   ("Message", str(error))))  # fmt: skip
                continue
            bucket.delete(key, version)
            if wanted.findtext("Quiet", "").lower() != "true":
                results.append(xml("Deleted", ("Key", key)))
        return document("DeleteResult", *results)

    # Listings

    def _list(self, request: Request) -> web.Response:
        if "versions" in request.query:
            # For MinIO who may list a bucket may list its versions.
            self._need(request, "ListBucketVersions", instead="ListBucket")
            return self._list_versions(request, self._store.bucket(request.bucket))
        if "uploads" in request.query:
            self._need(request, "ListBucketMultipartUploads")
            found = [
                xml("Upload", ("Key", key), ("UploadId", upload))
                for key, upload in self._store.uploads(request.bucket)
            ]
            return document("ListMultipartUploadsResult", ("Bucket", request.bucket),
                            ("IsTruncated", "false"), *found)  # fmt: skip
        self._need(request, "ListBucket")
        return self._list_objects(request, self._store.bucket(request.bucket))

    def _list_objects(self, request: Request, bucket: Bucket) -> web.Response:
        query = request.query
        second = query.get("list-type") == "2"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = min(int(query.get("max-keys") or 1000), 1000)
        token = query.get("continuation-token")
        after = base64.urlsafe_b64decode(token).decode() if token else (
            query.get("start-after" if second else "marker", "")
        )  # fmt: skip
        shown = _encoder(query)
        contents: list[ET.Element] = []
        prefixes: list[str] = []
        last, more = "", False
        for version in bucket.current(prefix):
            key = version.key
            rest = key[len(prefix) :]
            folder = prefix + rest.split(delimiter, 1)[0] + delimiter if (
                delimiter and delimiter in rest
            ) else None  # fmt: skip
            if (folder or key) <= after or folder in prefixes:
                continue
            if len(contents) + len(prefixes) >= limit:
                more = True
                break
            last = folder or key
            if folder:
                prefixes.append(folder)
            else:
                contents.append(_entry("Contents", version, shown))
        children: list[Node] = [
            ("Name", bucket.name), ("Prefix", shown(prefix)), ("MaxKeys", limit),
            ("Delimiter", shown(delimiter)), ("IsTruncated", str(more).lower()),
        ]  # fmt: skip
        if query.get("encoding-type"):
            children.append(("EncodingType", query["encoding-type"]))
        if second:
            children.append(("KeyCount", len(contents) + len(prefixes)))
        if more:
            following = base64.urlsafe_b64encode(last.encode()).decode()
            children.append(
                ("NextContinuationToken", following) if second else ("NextMarker", shown(last))
            )
        folders = [xml("CommonPrefixes", ("Prefix", shown(prefix))) for prefix in prefixes]
        return document("ListBucketResult", *children, *contents, *folders)

    def _list_versions(self, request: Request, bucket: Bucket) -> web.Response:
        shown = _encoder(request.query)
        prefix = request.query.get("prefix", "")
        found = []
        for version, latest in bucket.history(prefix):
            name = "DeleteMarker" if version.deleted else "Version"
            element = _entry(name, version, shown)
            ET.SubElement(element, "VersionId").text = version.version
            ET.SubElement(element, "IsLatest").text = str(latest).lower()
            found.append(element)
        children: list[Node] = [
            ("Name", bucket.name), ("Prefix", shown(prefix)), ("IsTruncated", "false"),
            ("MaxKeys", len(found) or 1000),
        ]  # fmt: skip
        if request.query.get("encoding-type"):
            children.append(("EncodingType", request.query["encoding-type"]))
        return document("ListVersionsResult", *children, *found)

    # Objects

    def _object(self, request: Request) -> web.Response:
        bucket = self._store.bucket(request.bucket)
        if "uploadId" in request.query or "uploads" in request.query:
            return self._multipart(request)
        if "tagging" in request.query:
            return self._tagging(request, bucket)
        if request.method in {"GET", "HEAD"}:
            return self._get(request, bucket)
        if request.method == "PUT":
            self._need(request, "PutObject", request.key)
            return self._put(request, bucket)
        if request.method == "DELETE":
            version = request.query.get("versionId")
            self._need(request, "DeleteObjectVersion" if version else "DeleteObject", request.key)
            gone = bucket.delete(request.key, version)
            headers = {}
            if gone is not None:
                headers["x-amz-version-id"] = gone.version
                headers["x-amz-delete-marker"] = str(gone.deleted).lower()
            return web.Response(status=204, headers=headers)
        raise RefusalError(405, "MethodNotAllowed", "The method is not allowed.")

    def _get(self, request: Request, bucket: Bucket) -> web.Response:
        wanted = request.query.get("versionId")
        try:
            self._need(request, "GetObjectVersion" if wanted else "GetObject", request.key)
        except RefusalError:
            if not wanted:
                raise
            self._need(request, "GetObject", request.key)
        version = bucket.find(request.key, wanted)
        if version.deleted:
            raise no_such_key()
        modified = format_datetime(datetime.fromisoformat(version.modified), usegmt=True)
        headers = {name: value for name, value in version.headers.items() if name != "-tags"}
        headers |= {"ETag": f'"{version.etag}"', "Last-Modified": modified,
                    "Accept-Ranges": "bytes"}  # fmt: skip
        if version.version != "null":
            headers["x-amz-version-id"] = version.version
        headers.setdefault("content-type", "application/octet-stream")
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        start, end, status = _range(request.headers.get("Range"), version.size)
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{version.size}"
        if request.method == "HEAD":
            headers["Content-Length"] = str(end - start)
            return web.Response(status=status, headers=headers)
        return web.Response(body=bucket.content(version)[start:end], status=status, headers=headers)

    def _put(self, request: Request, bucket: Bucket) -> web.Response:
        headers = _kept(request.headers)
        source = request.headers.get("x-amz-copy-source")
        if request.headers.get("If-None-Match") == "*":
            try:
                bucket.find(request.key)
            except RefusalError:
                pass
            else:
                raise RefusalError(412, "PreconditionFailed", "The object is there already.")
        if source is None:
            written = bucket.put(request.key, request.body, headers)
            return web.Response(headers=_written(written))
        path, _, query = unquote(source).lstrip("/").partition("?versionId=")
        name, _, key = path.partition("/")
        origin = self._store.bucket(name)
        found = origin.find(key, query or None)
        if request.caller is None or not request.caller.may("s3:GetObject", path, request.context):
            raise access_denied()
        if request.headers.get("x-amz-metadata-directive", "COPY").upper() == "COPY":
            headers = dict(found.headers)
        written = bucket.put(request.key, origin.content(found), headers, found.etag)
        answer = document("CopyObjectResult", ("ETag", f'"{written.etag}"'),
                          ("LastModified", written.modified))  # fmt: skip
        answer.headers.update(_written(written))
        return answer

    def _tagging(self, request: Request, bucket: Bucket) -> web.Response:
        verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}.get(request.method, "Put")
        self._need(request, f"{verb}ObjectTagging", request.key)
        version = bucket.find(request.key, request.query.get("versionId"))
        if request.method == "PUT":
            bucket.set_header(version, "-tags", request.body.decode())
            return web.Response()
        if request.method == "DELETE":
            bucket.set_header(version, "-tags", None)
            return web.Response(status=204)
        tags = version.headers.get("-tags")
        if tags:
            return web.Response(text=tags, content_type="application/xml")
        return document("Tagging", xml("TagSet"))

    def _multipart(self, request: Request) -> web.Response:
        place = (request.bucket, request.key)
        upload = request.query.get("uploadId", "")
        if request.method == "GET":
            self._need(request, "ListMultipartUploadParts", request.key)
            found = [
                xml("Part", ("PartNumber", number), ("ETag", f'"{etag}"'), ("Size", size))
                for number, etag, size in self._store.parts(upload, *place)
            ]
            return document("ListPartsResult", ("IsTruncated", "false"), *found)
        if request.method == "DELETE":
            self._need(request, "AbortMultipartUpload", request.key)
            self._store.abort(upload, *place)
            return web.Response(status=204)
        self._need(request, "PutObject", request.key)
        if request.method == "PUT":
            number = int(request.query["partNumber"])
            etag = self._store.add_part(upload, *place, number, request.body)
            return web.Response(headers={"ETag": f'"{etag}"'})
        names = [("Bucket", request.bucket), ("Key", request.key)]
        if "uploads" in request.query:
            begun = self._store.begin(*place, _kept(request.headers))
            return document("InitiateMultipartUploadResult", *names, ("UploadId", begun))
        chosen = [
            (int(match.findtext("PartNumber", "0")), match.findtext("ETag", "").strip('"'))
            for match in parse(request.body).findall("Part")
        ]
        written = self._store.finish(upload, *place, chosen)
        answer = document("CompleteMultipartUploadResult", *names, ("ETag", f'"{written.etag}"'))
        answer.headers.update(_written(written))
        return answer


def _encoder(query: Mapping[str, str]) -> Callable[[str], str]:
    if query.get("encoding-type") == "url":
        return lambda text: quote(text, safe="/")
    return lambda text: text


def _entry(name: str, version: Version, shown: Callable[[str], str]) -> ET.Element:
    element = xml(name, ("Key", shown(version.key)), ("LastModified", version.modified))
    if not version.deleted:
        for tag, text in (("ETag", f'"{version.etag}"'), ("Size", str(version.size)),
                          ("StorageClass", "STANDARD")):  # fmt: skip
            ET.SubElement(element, tag).text = text
    element.append(xml("Owner", ("ID", "rehearsed"), ("DisplayName", "rehearsed")))
    return element


def _written(version: Version) -> dict[str, str]:
    headers = {"ETag": f'"{version.etag}"'}
    if version.version != "null":
        headers["x-amz-version-id"] = version.version
    return headers


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith("x-amz-meta-") or lower in _KEPT_HEADERS:
            kept[lower] = value
    if kept.get("content-encoding", "").startswith("aws-chunked"):
        rest = kept["content-encoding"].removeprefix("aws-chunked").lstrip(", ")
        kept.pop("content-encoding")
        if rest:
            kept["content-encoding"] = rest
    return kept


def _range(header: str | None, size: int) -> tuple[int, int, int]:
    """Return start, end (exclusive) and status for a Range header."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match[0] == "bytes=-":
        return 0, size, 200
    if not match[1]:
        return max(0, size - int(match[2])), size, 206
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if start >= size or start >= end:
        raise RefusalError(416, "InvalidRange", "The requested range is not satisfiable")
    return start, end, 206
