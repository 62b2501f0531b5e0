"""The resource `Secret`: generated once, adopted, kept, brought back."""

import string
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from pulumi_host import ALPHANUMERIC
from pulumi_host.errors import HostError
from tests.providers.host.sftp_host import SECRET, SftpHost, run

PATH = "/opt/po-mail/secrets/dbpass"
MARKER = "Planted9Secret4Value"
DECLARED: dict[str, Any] = {"path": PATH, "length": 28, "alphabet": ALPHANUMERIC}


def test_a_secret_is_generated_once_and_kept_for_its_owner(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            again = await driver.create(SECRET, **DECLARED)
        there = host.root / PATH[1:]
        value = there.read_text()
        assert len(value) == 28
        assert set(value) <= set(ALPHANUMERIC)
        assert there.stat().st_mode & 0o777 == 0o600
        assert state["value"].value == again["value"].value == value
        assert state["value"].is_secret

    run(story())


def test_a_secret_that_is_there_is_adopted_and_its_mode_put_right(host: SftpHost) -> None:
    async def story() -> None:
        there = host.root / PATH[1:]
        there.parent.mkdir(parents=True)
        there.write_text(MARKER + "\n")
        there.chmod(0o644)
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            assert state["value"].value == MARKER
            assert there.stat().st_mode & 0o777 == 0o600
            assert not (await driver.diff(SECRET, state, **DECLARED)).changes

    run(story())


@pytest.mark.parametrize("content", ["", "short", MARKER + "\n" + MARKER, MARKER + " ", "é" * 20])
def test_a_file_that_holds_no_secret_is_not_adopted(host: SftpHost, content: str) -> None:
    async def story() -> None:
        there = host.root / PATH[1:]
        there.parent.mkdir(parents=True)
        there.write_text(content)
        async with host.provider() as driver:
            with pytest.raises(HostError, match="exists but holds no secret") as caught:
                await driver.create(SECRET, **DECLARED)
        assert MARKER not in str(caught.value)
        assert there.read_text() == content

    run(story())


def test_a_secret_outside_the_alphabet_is_not_adopted_and_not_told(host: SftpHost) -> None:
    async def story() -> None:
        there = host.root / PATH[1:]
        there.parent.mkdir(parents=True)
        there.write_text(MARKER + "!")
        async with host.provider() as driver:
            with pytest.raises(HostError, match="outside the declared alphabet") as caught:
                await driver.create(SECRET, **DECLARED)
        assert MARKER not in str(caught.value)

    run(story())


@pytest.mark.parametrize("damage", ["lost", "damaged", "exposed"])
def test_what_happened_to_the_file_is_shown_and_the_same_value_written_back(
    host: SftpHost, damage: str
) -> None:
    async def story() -> None:
        there = host.root / PATH[1:]
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            if damage == "lost":
                there.unlink()
            elif damage == "damaged":
                there.write_text("")
            else:
                there.chmod(0o644)
            seen = await driver.refresh(SECRET, state)
            assert seen is not None
            outputs = seen[0]
            assert outputs["condition"].value == damage
            assert outputs["value"] == state["value"]
            response = await driver.diff(SECRET, outputs, **DECLARED)
            assert list(response.detailed_diff) == ["condition"]
            planned = await driver.update(SECRET, outputs, preview=True, **DECLARED)
            assert planned["value"] == state["value"]
            repaired = await driver.update(SECRET, outputs, **DECLARED)
            assert repaired == state
            assert there.read_text() == state["value"].value
            assert there.stat().st_mode & 0o777 == 0o600
            assert not (await driver.diff(SECRET, repaired, **DECLARED)).changes

    run(story())


def test_another_generation_makes_a_new_value_in_place_of_the_old(host: SftpHost) -> None:
    async def story() -> None:
        there = host.root / PATH[1:]
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            second = DECLARED | {"generation": 2}
            response = await driver.diff(SECRET, state, **second)
            assert list(response.detailed_diff) == ["generation"]
            planned = await driver.update(SECRET, state, preview=True, **second)
            assert planned["value"].value is not state["value"].value
            made = await driver.update(SECRET, state, **second)
            assert made["value"].value != state["value"].value
            assert made["value"].is_secret
            assert there.read_text() == made["value"].value
            assert len(there.read_text()) == 28
            assert there.stat().st_mode & 0o777 == 0o600
            assert not (await driver.diff(SECRET, made, **second)).changes

    run(story())


def test_a_refresh_does_not_make_a_declared_generation_look_done(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            seen = await driver.refresh(SECRET, state)
            assert seen is not None
            response = await driver.diff(SECRET, seen[0], **(DECLARED | {"generation": 2}))
            assert list(response.detailed_diff) == ["generation"]

    run(story())


def test_what_was_deployed_before_there_were_generations_is_the_first(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = dict(await driver.create(SECRET, **DECLARED))
            del state["generation"]
            assert not (await driver.diff(SECRET, state, **DECLARED)).changes

    run(story())


def test_a_secret_rotated_on_the_host_is_taken_over_by_refresh(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            (host.root / PATH[1:]).write_text(MARKER)
            seen = await driver.refresh(SECRET, state)
            assert seen is not None
            assert seen[0]["value"].value == MARKER
            assert seen[0]["value"].is_secret
            assert not (await driver.diff(SECRET, seen[0], **DECLARED)).changes

    run(story())


def test_an_update_never_overwrites_another_secret(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            (host.root / PATH[1:]).write_text(MARKER)
            with pytest.raises(HostError, match="pulumi refresh") as caught:
                await driver.update(SECRET, state, **(DECLARED | {"length": 40}))
            assert MARKER not in str(caught.value)
            assert str(state["value"].value) not in str(caught.value)
        assert (host.root / PATH[1:]).read_text() == MARKER

    run(story())


def test_another_length_leaves_the_value_alone(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            longer = DECLARED | {"length": 64}
            response = await driver.diff(SECRET, state, **longer)
            assert list(response.detailed_diff) == ["length"]
            assert not response.replaces
            changed = await driver.update(SECRET, state, **longer)
            assert changed["value"] == state["value"]
            assert not (await driver.diff(SECRET, changed, **longer)).changes

    run(story())


def test_deleting_keeps_the_file(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            state = await driver.create(SECRET, **DECLARED)
            await driver.delete(SECRET, state)
        assert (host.root / PATH[1:]).read_text() == state["value"].value

    run(story())


def test_an_import_reads_the_value_as_a_secret_and_settles(host: SftpHost) -> None:
    async def story() -> None:
        there = host.root / PATH[1:]
        there.parent.mkdir(parents=True)
        there.write_text(MARKER + "-_")
        there.chmod(0o600)
        async with host.provider() as driver:
            outputs, inputs = await driver.imported(SECRET, PATH)
            assert outputs["value"].is_secret
            assert "value" not in inputs
            declared = {key: value.value for key, value in inputs.items()}
            assert not (await driver.diff(SECRET, outputs, **declared)).changes

    run(story())


def test_the_value_is_unknown_while_it_is_only_planned(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            planned = await driver.create(SECRET, preview=True, **DECLARED)
            assert planned["value"].value == UNKNOWN
            assert planned["value"].is_secret
        assert not host.connections

    run(story())


@pytest.mark.parametrize(
    ("inputs", "wrong"),
    [
        ({"path": "dbpass"}, "path"),
        ({"path": PATH, "length": 7}, "length"),
        ({"path": PATH, "length": 12, "alphabet": "01"}, "length"),
        ({"path": PATH, "alphabet": "aab"}, "alphabet"),
        ({"path": PATH, "alphabet": string.ascii_letters + " "}, "alphabet"),
        ({"path": PATH, "value": "mine"}, "value"),
    ],
)
def test_a_weak_or_wrong_secret_is_refused(
    host: SftpHost, inputs: dict[str, Any], wrong: str
) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            assert list(await driver.failures(SECRET, **inputs)) == [wrong]

    run(story())
