"""A site in the rehearsed world: commands, files, secrets, changes of the declaration."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from declaration.mistakes import DeclarationError
from operations.site import CommandFailedError, Site, SiteError, open_site
from rehearsal.stage import Stage
from tests.conftest import PROJECT

Act = Callable[[Site], Awaitable[None]]
On = Callable[[Act], None]


@pytest.fixture(scope="module")
def on_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[On]:
    """Return what runs a coroutine on the site of `qual`, its world started but not deployed to."""
    runs = tmp_path_factory.mktemp("runs")
    stage = Stage(PROJECT, "qual", runs)
    stage.start_world()

    def run(act: Act) -> None:
        async def act_there() -> None:
            async with open_site("qual", live=False, runs=runs) as site:
                await act(site)

        asyncio.run(act_there())

    yield run
    stage.stop_world()


def test_a_command_says_how_it_ended(on_site: On) -> None:
    lines: list[str] = []

    async def act(site: Site) -> None:
        done = await site.host.run(
            "cat; echo of trouble >&2; exit 3", stdin="one\ntwo\n", check=False,
            on_line=lines.append,
        )  # fmt: skip
        assert (done.status, done.stdout, done.stderr) == (3, "one\ntwo\n", "of trouble\n")

    on_site(act)
    assert lines == ["one", "two"]


def test_a_failed_command_is_an_error_with_its_last_words(on_site: On) -> None:
    async def act(site: Site) -> None:
        with pytest.raises(CommandFailedError, match=r"^dumping: exit status 7: no space left$"):
            await site.host.run("echo no space left >&2; exit 7", what="dumping")

    on_site(act)


def test_a_command_that_hangs_is_given_up(on_site: On) -> None:
    async def act(site: Site) -> None:
        with pytest.raises(TimeoutError):
            await site.host.run("sleep 30", timeout=0.3)
        assert (await site.host.run("echo still there")).stdout == "still there\n"

    on_site(act)


def test_files_are_written_in_one_step_and_read_back(on_site: On) -> None:
    async def act(site: Site) -> None:
        await site.host.run('mkdir -p "${DESTDIR:-}/opt/po-mail"')
        await site.host.write("/opt/po-mail/note", "hello", mode=0o640)
        assert await site.host.read("/opt/po-mail/note") == b"hello"
        seen = await site.host.run('cd "${DESTDIR:-}/opt/po-mail"; stat -c %a note; ls -A')
        assert seen.stdout.split() == ["640", "note"]
        with pytest.raises(FileNotFoundError):
            await site.host.read("/opt/po-mail/nothing")

    on_site(act)


def test_a_missing_secret_names_its_command(on_site: On) -> None:
    async def act(site: Site) -> None:
        assert site.secret("backupPassphrase")
        with pytest.raises(SiteError, match=r"pulumi config set --secret mail:password\.nobody"):
            site.secret("password.nobody")

    on_site(act)


def test_no_secret_shows_in_a_site(on_site: On) -> None:
    async def act(site: Site) -> None:
        shown = repr(site) + repr(site.host) + repr(site.deployer)
        assert not [password for password in site.passwords.values() if password in shown]

    on_site(act)


def test_a_change_of_the_declaration_is_planned_and_the_file_stays(on_site: On) -> None:
    file = PROJECT / "Pulumi.qual.yaml"
    before = file.read_text("utf-8")

    async def act(site: Site) -> None:
        site.declare({"zone.ttl": 600})
        assert site.declaration.zone.ttl == 600
        with pytest.raises(DeclarationError, match=r"mail:zone\.tll"):
            site.declare({"zone.tll": 600})
        assert site.declaration.zone.ttl == 600
        plan = await asyncio.to_thread(site.deployer.preview)
        assert plan.ok, plan.errors
        assert {"create"} == {step.op for step in plan.steps}

    on_site(act)
    assert file.read_text("utf-8") == before


def test_another_secret_is_kept_for_its_owner_alone(on_site: On, tmp_path: Path) -> None:
    async def act(site: Site) -> None:
        site.deployer.set_secret("smarthostPassword", "another-one")
        assert site.secret("smarthostPassword") == "another-one"
        assert site.world is not None
        file = site.world.folder / "secrets.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert site.world.secrets["smarthostPassword"] == "another-one"

    on_site(act)
