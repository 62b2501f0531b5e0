"""Where a stack is rehearsed, and with what configuration."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.alias_generators import to_snake

from declaration.mistakes import DeclarationError
from rehearsal.engine.backend import Backend
from rehearsal.stage import Stage, StageError, providers, refusals
from rehearsal.world.client import WorldClient, WorldUnreachableError
from tests.conftest import FACTS, PROJECT


def described(folder: Path, **overlay: Any) -> WorldClient:
    """Return a world that does not run."""
    told = {"pid": 1, "stack": "qual", "overlay": overlay, "services": [], "control": "http://x",
            "token": "t"}  # fmt: skip
    (folder / "secrets.json").write_text('{"cloudflareApiToken": "planted-token"}')
    return WorldClient(folder, told)


def declaration(folder: Path, change: dict[str, Any], stack: str = "mine") -> Path:
    """Write a declaration into a folder that holds nothing else."""
    values = yaml.safe_load((PROJECT / "Pulumi.qual.yaml").read_text())["config"]
    (folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": values | change}))
    return folder


def test_runs_lie_in_the_projects_one_folder_unless_said_otherwise(tmp_path: Path) -> None:
    assert Stage(tmp_path, "qual").folder == tmp_path / ".rehearsal" / "stacks" / "qual"
    elsewhere = Stage(tmp_path / "project", "qual", runs=tmp_path / "runs")
    assert elsewhere.folder == tmp_path / "runs" / "stacks" / "qual"


def test_two_stacks_share_nothing(tmp_path: Path) -> None:
    one, other = Stage(tmp_path, "one"), Stage(tmp_path, "other")

    assert not one.folder.is_relative_to(other.folder)
    assert one.passphrase() != other.passphrase()


@pytest.mark.parametrize("name", ["", "../qual", "a/b", ".hidden", "two words", "é", "a" * 101])
def test_a_name_that_no_stack_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StageError, match="is no name of a stack"):
        Stage(tmp_path, name)


def test_looking_at_a_stack_makes_no_file(tmp_path: Path) -> None:
    stage = Stage(PROJECT, "qual", runs=tmp_path / "runs")

    stage.check()

    assert list(tmp_path.iterdir()) == []


def test_a_check_asks_for_no_fact_that_only_accounts_can_tell() -> None:
    reading = Stage(PROJECT, "qual").check()

    assert not any(reading.parts.get(to_snake(key)) for key in FACTS)


def test_a_check_tells_every_mistake(tmp_path: Path) -> None:
    stage = Stage(declaration(tmp_path, {"mail:domain": "Example", "mail:colour": "blue"}), "mine")

    with pytest.raises(DeclarationError) as caught:
        stage.check()

    assert {mistake.path for mistake in caught.value.mistakes} >= {"mail:domain", "mail:colour"}
    assert "Pulumi.mine.yaml" in str(caught.value)


def test_a_stack_without_a_declaration_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="--stack"):
        Stage(tmp_path, "nothing").check()


def test_the_passphrase_is_invented_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    stage = Stage(PROJECT, "qual", runs=tmp_path)

    assert len(stage.passphrase()) > 20
    assert Stage(PROJECT, "qual", runs=tmp_path).passphrase() == stage.passphrase()
    assert stat.S_IMODE((stage.folder / "passphrase").stat().st_mode) == 0o600


def test_the_configuration_is_the_declaration_the_worlds_overlay_and_its_secrets(
    tmp_path: Path,
) -> None:
    world = described(tmp_path, endpoints={"web": "127.0.0.1:1"}, **FACTS)

    config, secret_keys = Stage(PROJECT, "qual", runs=tmp_path).configuration(world)

    assert config["mail:domain"] == "portugalodyssey.pt"
    assert config["mail:endpoints"] == '{"web": "127.0.0.1:1"}'
    assert config["mail:cloudflareApiToken"] == "planted-token"
    assert secret_keys == {"mail:cloudflareApiToken"}


def test_a_declaration_that_sets_what_a_rehearsal_sets_is_refused(tmp_path: Path) -> None:
    stage = Stage(declaration(tmp_path, {"mail:endpoints": {"web": "192.0.2.1:443"}}), "mine")

    with pytest.raises(StageError, match="mail:endpoints is set by a rehearsal"):
        stage.configuration(described(tmp_path, endpoints={}))


def test_a_world_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(WorldUnreachableError, match="no world runs in"):
        Stage(PROJECT, "qual", runs=tmp_path).world()


def test_stopping_what_does_not_run_is_no_mistake(tmp_path: Path) -> None:
    assert Stage(PROJECT, "qual", runs=tmp_path).stop_world() is False


def test_what_is_cleared_leaves_the_lock_the_passphrase_and_no_mark(tmp_path: Path) -> None:
    stage = Stage(PROJECT, "qual", runs=tmp_path)
    with stage.lock:
        passphrase = stage.passphrase()
        (stage.folder / "world").mkdir()
        (stage.folder / "changed").mkdir()
        stage.backend.mkdir()
        Backend(stage.backend, "mail", "qual").begin("up")
        assert stage.cut_short().startswith("`up` of")

        stage.clear()

        assert stage.cut_short() == ""
        assert {path.name for path in stage.folder.iterdir()} == {"lock", "passphrase"}
        assert stage.passphrase() == passphrase


def test_every_package_that_the_program_uses_has_a_provider() -> None:
    assert set(providers()) == {"cloudflare", "command", "docker", "minio", "host", "mailcow"}


def test_what_a_person_can_mend_has_a_message_of_its_own() -> None:
    assert {refusal.__name__ for refusal in refusals()} >= {
        "StageError", "WorldError", "WorldUnreachableError", "LockedError", "StateRefusedError",
        "WrongPassphraseError", "ProjectRefusedError", "CutShortError", "StateNotWrittenError",
    }  # fmt: skip
