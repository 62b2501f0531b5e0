"""Reading releases through the host, which is who will fetch them; nothing of it stays there."""

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from components.backup import VOLUMES
from components.mailcow import nginx_files
from components.mailcow_conf import Installation, public_settings
from components.relay import POSTFIX
from declaration.commands import at
from declaration.names import STATE
from operations.site import Host, Site
from operations.update import releases
from operations.update.compare import READ, Differences, Ours, Source, compare
from operations.update.releases import UpdateError

_GIT = "GIT_TERMINAL_PROMPT=0 LC_ALL=C git"
_FETCH_SECONDS = 900.0
_COMMITS = 5000
"""How many commits are looked through at most."""


def repository(site: Site) -> str:
    """Return the address from which the host clones the release."""
    elsewhere = site.declaration.endpoints.repository
    return elsewhere.url if elsewhere else site.declaration.mailcow.release.repository


async def tags(site: Site) -> dict[str, str]:
    """Return the commit of every release of the repository.

    Raises:
        CommandFailedError: the repository does not answer the host.
    """
    address = shlex.quote(repository(site))
    done = await site.host.run(
        f"{_GIT} ls-remote --tags {address}", what="asking the repository for its releases",
        timeout=120,
    )  # fmt: skip
    return releases.listed(done.stdout)


def ours(site: Site) -> Ours:
    """Return what is declared and written here, as far as a release matters to it."""
    declaration = site.declaration
    written = {
        "mailcow.conf", "docker-compose.override.yml", "data/assets/ssl/cert.pem",
        "data/assets/ssl/key.pem",
        *(f"{POSTFIX}/{name}" for name in
          ("extra.cf", "smarthost_passwd", "smarthost_tls_policy")),
        *(f"data/conf/nginx/{name}" for name in nginx_files(declaration.names)),
    }  # fmt: skip
    return Ours(
        settings=public_settings(Installation(declaration.mailcow, declaration.names)),
        files=frozenset(written),
        tiers={name: tier.value for name, tier in declaration.mailcow.services.items()},
        stored_volumes=frozenset(VOLUMES.values()),
    )


class _Scratch:
    """A bare repository on the host with two releases in it."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._git = f"{_GIT} -C {shlex.quote(folder)}"

    async def ask(self, words: str, what: str, *, check: bool = True) -> str:
        """Return what git prints."""
        done = await self._host.run(
            f"{self._git} {words}", what=what, timeout=_FETCH_SECONDS, check=check
        )
        return done.stdout

    async def fetch(self, address: str, pinned: str, target: str) -> None:
        """Fetch both, and the history in between."""
        where = shlex.quote(address)
        # Only what lies between the two; a server that cannot cut the history off sends it all.
        shallow = f"fetch -q --no-tags --shallow-exclude={pinned} {where} {_reference(target)}"
        whole = f"fetch -q --no-tags {where} {_reference(target)}"
        await self.ask(f"{shallow} || {self._git} {whole}", f"fetching {target}")
        await self.ask(
            f"fetch -q --no-tags --depth 1 {where} {_reference(pinned)}", f"fetching {pinned}"
        )

    async def source(self, tag: str) -> Source:
        """Return one release."""
        commit = (await self.ask(f"rev-parse 'refs/tags/{tag}^{{commit}}'", tag)).strip()
        texts = {path: await self.ask(f"show {commit}:{path}", path, check=False) for path in READ}
        names = await self.ask(f"ls-tree -r --name-only -z {commit}", "listing the files")
        return Source(tag, commit, texts, frozenset(filter(None, names.split("\0"))))

    async def changed(self, before: str, after: str) -> list[str]:
        """Return the paths that differ."""
        said = await self.ask(f"diff --name-only -z {before} {after}", "comparing the files")
        return [part for part in said.split("\0") if part]

    async def history(self, before: str, after: str) -> list[tuple[str, str]]:
        """Return commit and message of what lies in between."""
        said = await self.ask(
            f"log --max-count={_COMMITS} --format=%H%x1f%B%x1e {before}..{after}",
            "reading the history",
        )
        pairs = (part.strip().partition("\x1f") for part in said.split("\x1e"))
        return [(commit, message) for commit, _, message in pairs if commit]


def _reference(tag: str) -> str:
    return f"+refs/tags/{tag}:refs/tags/{tag}"


@asynccontextmanager
async def _scratch(host: Host) -> AsyncIterator[_Scratch]:
    place = f"mktemp -d {at(STATE)}/update-XXXXXXXX"
    made = await host.run(
        f'd=$({place}) && {_GIT} init -q --bare "$d" && echo "$d"', what="making room on the host"
    )  # fmt: skip
    folder = made.stdout.strip()
    try:
        yield _Scratch(host, folder)
    finally:
        await host.run(f"rm -rf {shlex.quote(folder)}", check=False)


async def differences(site: Site, target: str) -> Differences:
    """Return everything that changes between the pinned release and another.

    Args:
        site: Where the host is.
        target: Tag to look at.

    Raises:
        UpdateError: the pinned tag was moved, or a release cannot be read.
        CommandFailedError: the repository does not answer the host.
    """
    pinned, wanted = site.declaration.mailcow.release.tag, site.declaration.names.release.commit
    async with _scratch(site.host) as scratch:
        await scratch.fetch(repository(site), pinned, target)
        before, after = await scratch.source(pinned), await scratch.source(target)
        if before.commit != wanted:
            raise UpdateError(
                f"{pinned} is commit {before.commit} in the repository, but {wanted} is declared: "
                "the tag was moved, or the declaration is wrong. Find out which before upgrading."
            )
        return compare(
            before,
            after,
            ours(site),
            changed=await scratch.changed(before.commit, after.commit),
            history=await scratch.history(before.commit, after.commit),
        )
