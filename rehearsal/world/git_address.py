"""The git address of the Mailcow release: a small repository served over smart HTTP."""

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from rehearsal.world.release_editions import Edition, following
from rehearsal.world.release_tree import release
from rehearsal.world.service import LOOPBACK, Service, Surroundings

_PATH = "/mailcow/mailcow-dockerized"
_AUTHOR = b"Rehearsed release <release@example.org>"
_TIME = 1782864000
"""Seconds since 1970 of every commit, so that the same release has the same commit."""
_HEAD = b"001e# service=git-upload-pack\n0000"
_LONGEST = 60.0
"""Seconds for one request."""
_BRANCH = Ref(b"refs/heads/master")


def _write_tree(repository: Repo, files: Mapping[str, tuple[int, bytes]]) -> ObjectID:
    """Add `files`, by path below this tree, and return the tree's id."""
    tree = Tree()
    folders: dict[str, dict[str, tuple[int, bytes]]] = {}
    for path, (mode, content) in files.items():
        folder, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = (mode, content)
            continue
        blob = Blob.from_string(content)
        repository.object_store.add_object(blob)
        tree.add(path.encode(), mode, blob.id)
    for folder, inside in folders.items():
        tree.add(folder.encode(), 0o040000, _write_tree(repository, inside))
    repository.object_store.add_object(tree)
    return tree.id


class GitAddress(Service):
    """A repository with the declared release and those that follow, for `git clone` over HTTP.

    The repository is made by dulwich and served by the machine's own `git upload-pack`, which the
    rehearsed host needs for its clone anyway. Further releases can be added, with services of
    their own, or under a tag that exists: a tag can be moved, and a deployment should notice.

    Faults: `unavailable` (true: every request answers 503).
    """

    name = "git"
    stands_for: ClassVar[str] = "git address of the Mailcow release"

    def __init__(self) -> None:
        super().__init__()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, world: Surroundings) -> None:
        """Make the repository afresh and listen."""
        self.tag = str(world.config["mailcow"]["release"]["tag"])
        self._folder = world.folder / "git/mailcow-dockerized.git"
        await asyncio.to_thread(self._make, self._folder)
        application = web.Application(client_max_size=2**26)
        application.router.add_get(f"{_PATH}/info/refs", self._advertise)
        application.router.add_post(f"{_PATH}/git-upload-pack", self._upload)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, world.port("git")).start()
        self.port = self._runner.addresses[0][1]

    def _make(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._repository = Repo.init_bare(str(folder))
        self._repository.refs.set_symbolic_ref(Ref(b"HEAD"), _BRANCH)
        self.commit = before = self.add_release(self.tag)
        for tag, edition in following(self.tag).items():
            before = self.add_release(tag, edition=edition, after=before)

    async def stop(self) -> None:
        """Close the port; the repository stays."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._repository.close()

    async def _upload_pack(self, request: web.Request, *arguments: str, given: bytes) -> bytes:
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self._folder),
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        # Like the public address: a commit may be fetched by its id.
        command = ("git", "-c", "uploadpack.allowAnySHA1InWant=true", "upload-pack", "--strict")
        child = await asyncio.create_subprocess_exec(
            *command, "--stateless-rpc", *arguments, str(self._folder), env=environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(child.communicate(given), _LONGEST)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return output

    async def _advertise(self, request: web.Request) -> web.Response:
        if self.faults.get("unavailable"):
            return web.Response(status=503, text="rehearsed failure\n")
        if request.query.get("service") != "git-upload-pack":
            return web.Response(status=403, text="read only\n")
        output = await self._upload_pack(request, "--advertise-refs", given=b"")
        head = b"" if b"version=2" in request.headers.get("Git-Protocol", "").encode() else _HEAD
        return web.Response(
            body=head + output,
            content_type="application/x-git-upload-pack-advertisement",
            headers={"Cache-Control": "no-cache"},
        )

    async def _upload(self, request: web.Request) -> web.Response:
        if self.faults.get("unavailable"):
            return web.Response(status=503, text="rehearsed failure\n")
        output = await self._upload_pack(request, given=await request.read())
        return web.Response(
            body=output,
            content_type="application/x-git-upload-pack-result",
            headers={"Cache-Control": "no-cache"},
        )

    @property
    def url(self) -> str:
        """Address to clone from."""
        return f"http://{LOOPBACK}:{self.port}{_PATH}"

    def overlay(self) -> dict[str, Any]:
        """Tell where the release is cloned from, and the commit that its tag stands for."""
        place = {"url": self.url, "commit": self.commit, "tag": self.tag}
        return {"endpoints": {"repository": place}}

    def add_release(
        self,
        tag: str,
        services: Mapping[str, str] | None = None,
        *,
        edition: Edition | None = None,
        after: str | None = None,
    ) -> str:
        """Commit a release, tag it, and return the commit.

        Args:
            tag: Its tag; one that is there is moved.
            services: Further services, name to image.
            edition: How it differs from the rehearsed one.
            after: Commit of the release before; its history begins here if None.
        """
        tree = _write_tree(self._repository, release(services, edition))
        parent = after.encode() if after else None
        for message in edition.history if edition else ():
            # What each commit changes is nobody's business here: its words are.
            parent = self._commit(tree, message, parent)
        made = self._commit(tree, f"Release {tag}\n", parent)
        self._repository.refs[Ref(f"refs/tags/{tag}".encode())] = made
        self._repository.refs[_BRANCH] = made
        return made.decode()

    def _commit(self, tree: ObjectID, message: str, parent: bytes | None) -> ObjectID:
        commit = Commit()
        commit.tree = tree
        commit.parents = [ObjectID(parent)] if parent else []
        commit.author = commit.committer = _AUTHOR
        commit.author_time = commit.commit_time = _TIME
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = message.encode()
        self._repository.object_store.add_object(commit)
        return commit.id

    def releases(self) -> dict[str, str]:
        """Return every tag with its commit."""
        tags = self._repository.refs.as_dict(Ref(b"refs/tags"))
        return {tag.decode(): commit.decode() for tag, commit in tags.items()}

    def control(self) -> Iterable[web.RouteDef]:
        """Show the releases; add one: `{"tag": ..., "services": {name: image}}`."""
        return web.get("/releases", self._show), web.post("/releases", self._add)

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(self.releases())

    async def _add(self, request: web.Request) -> web.Response:
        asked = await request.json()
        commit = await asyncio.to_thread(self.add_release, asked["tag"], asked.get("services"))
        return web.json_response({"tag": asked["tag"], "commit": commit}, status=201)
