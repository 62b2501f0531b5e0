"""The object storage: the genuine MinIO where there is one, otherwise a small one of our own."""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict

from rehearsal.world.service import LOOPBACK, Service, Surroundings
from rehearsal.world.storage import genuine
from rehearsal.world.storage.admin import PREFIX, Admin
from rehearsal.world.storage.identities import Caller, Identities
from rehearsal.world.storage.refusal import RefusalError, access_denied
from rehearsal.world.storage.s3 import S3, Request, document
from rehearsal.world.storage.signature import Signed, is_signed
from rehearsal.world.storage.store import Store

_LARGEST = 2**30


class ObjectStorage(Service):
    """S3 and MinIO's admin API on one port of loopback.

    Signatures are checked, and a user may do what its policies allow and nothing else. `minio` on
    PATH or in the user's cache folder (`po-mail/bin`) is run instead where it is found; faults
    and control then know nothing of it.

    Faults: `fail` (true: 503 to everything), `disk_full` (true: writes of objects answer 507),
    `deny_admin` (true: the admin API answers 403), `cut_after` (a number: that many objects are
    still written, then every connection ends without an answer, as when the network is cut).
    """

    name = "storage"
    stands_for: ClassVar[str] = "MinIO object storage"

    def __init__(self, *, prefer_genuine: bool = True) -> None:
        """Run the genuine MinIO where there is one, unless told not to."""
        super().__init__()
        self._prefer_genuine = prefer_genuine
        self._child: genuine.GenuineStorage | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, world: Surroundings) -> None:
        """Listen, or start the genuine server."""
        folder = world.folder / "storage"
        folder.mkdir(parents=True, exist_ok=True)
        region = str(world.config["backup"]["region"])
        owner = (world.secrets["storageAccessKey"], world.secrets["storageSecretKey"])
        program = await asyncio.to_thread(genuine.find) if self._prefer_genuine else None
        if program is not None:
            self.genuine = True
            self._child = genuine.GenuineStorage(program, folder / "minio")
            await self._child.start(*owner, region, port=world.port("storage"))
            self.port = self._child.port
        else:
            await self._listen(
                Store(folder),
                Identities(folder / "identities.json", owner),
                region,
                port=world.port("storage"),
            )
        host, _, port = str(world.config["backup"]["server"]).partition(":")
        self._public = (host, int(port or 443))
        self._world = world
        world.addresses.publish(*self._public, self.port)

    async def _listen(
        self, store: Store, identities: Identities, region: str, *, port: int
    ) -> None:
        self._store, self._identities = store, identities
        self._s3 = S3(store, region)
        self._admin = Admin(identities, store)
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port or end the child; what is stored stays."""
        if self._child is not None:
            await self._child.stop()
            self._child = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self.port and self._public:
            self._world.addresses.withdraw(*self._public)
        self.port = 0

    def overlay(self) -> dict[str, Any]:
        """Tell where the storage listens, in clear."""
        return {"endpoints": {"storage": f"{LOOPBACK}:{self.port}", "storageTls": False}}

    def control(self) -> Iterable[web.RouteDef]:
        """Show what is stored: buckets with their settings, keys and versions."""
        return (web.get("/buckets", self._show),)

    async def _show(self, _request: web.Request) -> web.Response:
        if self.genuine:
            return web.json_response({"message": "the genuine MinIO runs"}, status=404)
        return web.json_response(
            {
                bucket.name: {
                    "settings": bucket.settings,
                    "objects": [
                        {"key": one.key, "version": one.version, "deleted": one.deleted}
                        for one, _ in bucket.history("")
                    ],
                }
                for bucket in self._store.buckets.values()
            }
        )

    # One request

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = unquote(request.rel_url.raw_path)
        if path.startswith("/minio/health/"):
            return web.Response()
        if self._cut(request, path):
            return web.Response(status=502)  # never leaves: the connection is closed
        try:
            response = await self._obey(request, path)
        except RefusalError as error:
            response = _refused(error, path)
        except (ValueError, KeyError) as error:
            text = f"malformed request: {type(error).__name__}"
            response = _refused(RefusalError(400, "InvalidRequest", text), path)
        response.headers["Server"] = "MinIO"
        response.headers["x-amz-request-id"] = secrets.token_hex(8).upper()
        return response

    def _cut(self, request: web.Request, path: str) -> bool:
        """Close the connection where the fault says that the network is cut."""
        left = self.faults.get("cut_after")
        if left is None:
            return False
        if left > 0:
            bucket, _, key = path.removeprefix("/").partition("/")
            self.faults["cut_after"] = left - bool(request.method == "PUT" and bucket and key)
            return False
        if request.transport is not None:
            request.transport.close()
        return True

    async def _obey(self, request: web.Request, path: str) -> web.Response:
        raw = await request.read()
        if self.faults.get("fail"):
            raise RefusalError(503, "SlowDown", "Please reduce your request rate")
        caller, body = await asyncio.to_thread(self._who, request, raw)
        if path.startswith(PREFIX):
            if caller is None or self.faults.get("deny_admin"):
                raise access_denied()
            command = path.removeprefix(PREFIX).rstrip("/")
            return await self._admin.answer(request.method, command, caller, request.query, body)
        bucket, _, key = path.removeprefix("/").partition("/")
        if self.faults.get("disk_full") and request.method == "PUT" and key:
            message = "Storage backend has reached its minimum free drive threshold."
            raise RefusalError(507, "XMinioStorageFull", message)
        headers = CIMultiDict(request.headers)
        asked = Request(request.method, bucket, key, request.query, headers, body, caller)
        return await asyncio.to_thread(self._s3.answer, asked)

    def _who(self, request: web.Request, raw: bytes) -> tuple[Caller | None, bytes]:
        """Return who sent a request, None for anybody, and its body as signed."""
        if not is_signed(request.headers, request.query):
            return None, raw
        signed = Signed(request)
        secret = self._identities.secret_of(signed.access_key)
        if secret is None:
            raise RefusalError(
                403, "InvalidAccessKeyId",
                "The Access Key Id you provided does not exist in our records.",
            )  # fmt: skip
        signed.verify(secret)
        return self._identities.caller(signed.access_key), signed.body(raw, secret)


def _refused(error: RefusalError, path: str) -> web.Response:
    if path.startswith(PREFIX):
        body = {"Code": error.code, "Message": str(error), "Resource": path, "RequestId": "0"}
        return web.json_response(body, status=error.status)
    return document(
        "Error", ("Code", error.code), ("Message", str(error)), ("Resource", path),
        ("RequestId", "0"), ("HostId", "rehearsed"), status=error.status,
    )  # fmt: skip
