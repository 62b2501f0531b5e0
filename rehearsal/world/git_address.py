"""The git address of the Mailcow release: a small repository served over smart HTTP."""

import asyncio
import shutil
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from aiohttp import web
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo
from dulwich.server import BackendRepo, DictBackend
from dulwich.web import make_wsgi_chain

from rehearsal.world.release_tree import release
from rehearsal.world.service import LOOPBACK, Service, Surroundings

_PATH = "/mailcow/mailcow-dockerized"
_AUTHOR = b"Rehearsed release <release@example.org>"
_TIME = 1782864000
"""Seconds since 1970 of every commit, so that the same release has the same commit."""
_BRANCH = Ref(b"refs/heads/master")


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per request, all ended with the server."""

    daemon_threads = False
    block_on_close = True


class _Quiet(WSGIRequestHandler):
    """Answers without a line on the terminal."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # name given by the base class
        del format, args


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
    """A repository with the declared release, for `git clone` over HTTP.

    Further releases can be added, with services of their own, or under a tag that exists: a tag
    can be moved, and a deployment should notice.

    Faults: `unavailable` (true: every request answers 503).
    """

    name = "git"
    stands_for: ClassVar[str] = "git address of the Mailcow release"

    def __init__(self) -> None:
        super().__init__()
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    async def start(self, world: Surroundings) -> None:
        """Make the repository afresh and listen."""
        declared = (world.config.get("mailcow") or {}).get("release") or {}
        self.tag = declared.get("tag", "2026-07a")
        self._folder = world.folder / "git/mailcow-dockerized.git"
        await asyncio.to_thread(self._listen, self._folder)

    def _listen(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._repository = Repo.init_bare(str(folder))
        self._repository.refs.set_symbolic_ref(Ref(b"HEAD"), _BRANCH)
        self.commit = self.add_release(self.tag)
        served: dict[str, BackendRepo] = {_PATH: self._repository}
        application = make_wsgi_chain(DictBackend(served))

        def guarded(environ: Any, start_response: Any) -> Any:
            if self.faults.get("unavailable"):
                start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
                return [b"rehearsed failure\n"]
            return application(environ, start_response)

        self._server = make_server(LOOPBACK, 0, guarded, server_class=_Server, handler_class=_Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="git-address"
        )
        self._thread.start()

    async def stop(self) -> None:
        """Close the port and end every thread; the repository stays."""
        if self._server is not None:
            await asyncio.to_thread(self._close, self._server)
            self._server = None

    def _close(self, server: WSGIServer) -> None:
        server.shutdown()
        server.server_close()
        if self._thread is not None:
            self._thread.join()
        self._repository.close()

    @property
    def url(self) -> str:
        """Address to clone from."""
        return f"http://{LOOPBACK}:{self.port}{_PATH}"

    def overlay(self) -> dict[str, Any]:
        """Tell where the release is cloned from, and the commit that its tag stands for."""
        return {"endpoints": {"repository": {"url": self.url, "commit": self.commit}}}

    def add_release(self, tag: str, services: Mapping[str, str] | None = None) -> str:
        """Commit a release with further `services` (name to image), tag it, return the commit."""
        commit = Commit()
        commit.tree = _write_tree(self._repository, release(services))
        commit.author = commit.committer = _AUTHOR
        commit.author_time = commit.commit_time = _TIME
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = f"Release {tag}\n".encode()
        self._repository.object_store.add_object(commit)
        self._repository.refs[Ref(f"refs/tags/{tag}".encode())] = commit.id
        self._repository.refs[_BRANCH] = commit.id
        return commit.id.decode()

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
