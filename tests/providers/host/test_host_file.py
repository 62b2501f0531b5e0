"""The resource `File`, from creation to deletion, over a real SSH connection."""

import hashlib
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import PropertyDiffKind
from pulumi.runtime.rpc import UNKNOWN

from pulumi_host.errors import HostError
from tests.providers.host.sftp_host import FILE, SftpHost, run

PATH = "/etc/po-mail/extra.cf"
MARKER = "planted-7c1f"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_file_is_written_with_its_directories_and_mode(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(FILE, path=PATH, content="relayhost =\n", mode="0640")
        there = host.root / PATH[1:]
        assert there.read_text() == "relayhost =\n"
        assert mode_of(there) == 0o640
        assert mode_of(there.parent) == 0o755
        assert [path.name for path in there.parent.iterdir()] == ["extra.cf"]
        assert state["sha256"].value == hashlib.sha256(b"relayhost =\n").hexdigest()
        assert state["mode"].value == "0640"

    run(story())


def test_an_identical_file_is_adopted_untouched(host: SftpHost) -> None:
    async def story() -> None:
        there = host.root / "motd"
        there.write_text("hello")
        there.chmod(0o644)
        before = there.stat()
        async with host.provider() as driver:
            state = await driver.create(FILE, path="/motd", content="hello")
        assert (there.stat().st_ino, there.stat().st_mtime_ns) == (
            before.st_ino,
            before.st_mtime_ns,
        )
        assert state["revision"].value

    run(story())


def test_a_different_file_is_overwritten(host: SftpHost) -> None:
    async def story() -> None:
        (host.root / "motd").write_text("old and longer")
        async with host.provider() as driver:
            await driver.create(FILE, path="/motd", content="new")
        assert (host.root / "motd").read_text() == "new"

    run(story())


def test_the_revision_changes_with_a_write_and_only_then(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            first = await driver.create(FILE, path="/a", content="1")
            assert not (await driver.diff(FILE, first, path="/a", content="1")).changes
            seen = await driver.refresh(FILE, first)
            assert seen is not None
            assert seen[0] == first
            second = await driver.update(FILE, first, path="/a", content="2")
            assert second["revision"] != first["revision"]

    run(story())


def test_an_update_cut_off_before_its_state_was_saved_still_changes_the_revision(
    host: SftpHost,
) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            first = await driver.create(FILE, path="/a", content="1")
            # The content arrived, the state did not: what must restart has not restarted.
            (host.root / "a").write_text("2")
            again = await driver.update(FILE, first, path="/a", content="2")
            assert again["revision"] != first["revision"]

    run(story())


def test_a_planned_write_has_an_unknown_revision_and_touches_nothing(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            planned = await driver.create(FILE, preview=True, path="/a", content="1")
            assert planned["revision"].value == UNKNOWN
            assert planned["sha256"].value == hashlib.sha256(b"1").hexdigest()
            assert not (host.root / "a").exists()
            state = await driver.create(FILE, path="/a", content="1")
            planned = await driver.update(FILE, state, preview=True, path="/a", content="2")
            assert planned["revision"].value == UNKNOWN
            planned = await driver.create(FILE, preview=True, path="/b", content=UNKNOWN)
            assert planned["sha256"].value == UNKNOWN
        assert (host.root / "a").read_text() == "1"

    run(story())


@pytest.mark.parametrize(("content", "mode"), [("changed\n", 0o644), ("declared\n", 0o666)])
def test_drift_is_shown_by_refresh_and_repaired_by_up(
    host: SftpHost, content: str, mode: int
) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            declared: dict[str, Any] = {"path": "/a", "content": "declared\n", "mode": "0644"}
            state = await driver.create(FILE, **declared)
            (host.root / "a").write_text(content)
            (host.root / "a").chmod(mode)
            seen = await driver.refresh(FILE, state)
            assert seen is not None
            outputs, inputs = seen
            assert outputs["content"].value == inputs["content"].value == content
            assert outputs["revision"] == state["revision"]
            assert (await driver.diff(FILE, outputs, **declared)).changes
            repaired = await driver.update(FILE, outputs, **declared)
            assert (host.root / "a").read_text() == "declared\n"
            assert mode_of(host.root / "a") == 0o644
            assert repaired["revision"] != state["revision"]
            assert not (await driver.diff(FILE, repaired, **declared)).changes

    run(story())


def test_a_file_that_is_gone_is_reported_gone(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(FILE, path="/a", content="1")
            (host.root / "a").unlink()
            assert await driver.refresh(FILE, state) is None

    run(story())


def test_deleting_removes_the_file_but_not_its_directory_and_may_be_repeated(
    host: SftpHost,
) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(FILE, path=PATH, content="1")
            await driver.delete(FILE, state)
            await driver.delete(FILE, state)
        assert (host.root / PATH[1:]).parent.is_dir()
        assert not (host.root / PATH[1:]).exists()

    run(story())


def test_another_path_replaces_the_file(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(FILE, path="/a", content="1")
            response = await driver.diff(FILE, state, path="/b", content="1")
            assert response.replaces == ["path"]
            assert response.detailed_diff["path"].kind is PropertyDiffKind.UPDATE_REPLACE

    run(story())


def test_secret_content_stays_marked_in_outputs_refresh_and_digest(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            content = PropertyValue(MARKER, is_secret=True)
            state = await driver.create(FILE, path="/a", content=content, mode="0600")
            seen = await driver.refresh(FILE, state)
            assert seen is not None
            for values in (state, *seen):
                assert values["content"].is_secret
            assert state["sha256"].is_secret
            assert not state["revision"].is_secret

    run(story())


def test_content_that_becomes_secret_is_sealed_in_the_state(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(FILE, path="/a", content=MARKER)
            sealed = PropertyValue(MARKER, is_secret=True)
            assert (await driver.diff(FILE, state, path="/a", content=sealed)).changes

    run(story())


@pytest.mark.parametrize(("mode", "secret"), [(0o600, True), (0o640, True), (0o644, False)])
def test_an_imported_file_is_secret_unless_everyone_may_read_it(
    host: SftpHost,
    mode: int,
    secret: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def story() -> None:
        (host.root / "a").write_text("x")
        (host.root / "a").chmod(mode)
        async with host.provider() as driver:
            outputs, inputs = await driver.imported(FILE, "/a")
            assert inputs["content"].is_secret is outputs["content"].is_secret is secret
            declared = {"path": "/a", "content": "x", "mode": f"{mode:04o}"}
            assert not (await driver.diff(FILE, outputs, **declared)).changes

    run(story())


def test_modes_are_compared_in_one_form(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(FILE, path="/a", content="1", mode="644")
            for mode in ("0644", "0o644", "644"):
                declared = {"path": "/a", "content": "1", "mode": mode}
                assert not (await driver.diff(FILE, state, **declared)).changes

    run(story())


def test_a_link_is_replaced_and_what_it_pointed_to_left_alone(host: SftpHost) -> None:
    async def story() -> None:
        (host.root / "target").write_text("keep")
        (host.root / "a").symlink_to("target")
        async with host.provider() as driver:
            await driver.create(FILE, path="/a", content="1")
        assert (host.root / "target").read_text() == "keep"
        assert not (host.root / "a").is_symlink()

    run(story())


@pytest.mark.parametrize(
    ("inputs", "wrong"),
    [
        ({"path": "etc/x", "content": ""}, "path"),
        ({"path": "/etc/../x", "content": ""}, "path"),
        ({"path": "/etc/", "content": ""}, "path"),
        ({"path": "/etc/a\nb", "content": ""}, "path"),
        ({"path": "/a"}, "content"),
        ({"path": "/a", "content": "", "mode": "0999"}, "mode"),
        ({"path": "/a", "content": "", "owner": "root"}, "owner"),
        ({"path": "/a", "content": "x" * (4 * 1024 * 1024 + 1)}, "content"),
    ],
)
def test_a_wrong_input_is_refused_before_anything_is_touched(
    host: SftpHost, inputs: dict[str, str], wrong: str
) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            assert list(await driver.failures(FILE, **inputs)) == [wrong]
        assert not host.connections

    run(story())


def test_a_failed_rename_leaves_the_old_file_and_no_temporary_one(host: SftpHost) -> None:
    async def story() -> None:
        (host.root / "a").write_text("old")

        def refuse(act: str, path: str) -> None:
            if act == "rename":
                raise asyncssh.SFTPPermissionDenied(MARKER)

        host.sftp.fault = staticmethod(refuse)
        async with host.provider() as driver:
            with pytest.raises(HostError, match=r"^/a: permission denied$"):
                await driver.create(FILE, path="/a", content=MARKER)
        assert (host.root / "a").read_text() == "old"
        assert [path.name for path in host.root.iterdir()] == ["a"]

    run(story())


def test_a_write_that_reads_back_differently_is_an_error_without_the_content(
    host: SftpHost,
) -> None:
    async def story() -> None:
        writes = []

        def spoil(act: str, path: str) -> None:
            if act == "rename":
                writes.append(path)
            elif act == "open" and path == "/a" and writes:
                (host.root / "a").write_text("spoilt")

        host.sftp.fault = staticmethod(spoil)
        async with host.provider() as driver:
            with pytest.raises(HostError) as caught:
                await driver.create(FILE, path="/a", content=MARKER)
        assert str(caught.value) == "/a: was written, but reads back differently"

    run(story())


def test_what_an_interrupted_write_left_is_cleared_away(host: SftpHost) -> None:
    async def story() -> None:
        left = host.root / ".a.incoming"
        left.write_text("half")
        left.chmod(0o666)
        async with host.provider() as driver:
            await driver.create(FILE, path="/a", content="whole", mode="0600")
        assert [path.name for path in host.root.iterdir()] == ["a"]
        assert mode_of(host.root / "a") == 0o600

    run(story())


def test_the_content_is_never_readable_by_others_on_its_way(host: SftpHost) -> None:
    async def story() -> None:
        modes = {}

        def look(act: str, path: str) -> None:
            incoming = host.root / ".a.incoming"
            if incoming.exists():
                modes[act] = mode_of(incoming)

        host.sftp.fault = staticmethod(look)
        async with host.provider() as driver:
            await driver.create(FILE, path="/a", content=MARKER, mode="0600")
        # When it is empty still, and when it is whole.
        assert modes == {"opened": 0o600, "rename": 0o600}

    run(story())


def test_a_directory_in_the_way_is_named(host: SftpHost) -> None:
    async def story() -> None:
        (host.root / "a").mkdir()
        async with host.provider() as driver:
            with pytest.raises(HostError, match=r"^/a: "):
                await driver.create(FILE, path="/a", content="1")

    run(story())
