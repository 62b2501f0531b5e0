"""What the user has is used as it is; what stands in lies in a folder of the rehearsal's own."""

import os
from importlib import metadata
from pathlib import Path

import pytest

from rehearsal.genuine.programs import PACKAGES, lay
from tests.conftest import PROJECT


def _program(file: Path, words: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {words}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an empty PATH, home and cache of a user."""
    monkeypatch.setenv("PATH", f"{tmp_path}/path:/usr/bin:/bin")
    monkeypatch.setenv("HOME", f"{tmp_path}/home")
    monkeypatch.setenv("XDG_CACHE_HOME", f"{tmp_path}/cache")
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    return tmp_path


def _built(machine: Path) -> None:
    """Put into the cache what `make engine` builds."""
    from rehearsal.parts.catalogue import GoModule, chosen  # noqa: PLC0415

    (part,) = chosen(["pulumi"])
    assert isinstance(part.source, GoModule)
    place = machine / "cache/po-mail/bin"
    for name in (*part.programs, *part.source.files):
        _program(place / name, part.source.version)
    (place / "pulumi.version.json").write_text(f'{{"version": "{part.source.version}"}}')


def test_a_cli_of_the_cache_gets_our_language_host(machine: Path) -> None:
    _built(machine)

    programs = lay(machine / "stage", PROJECT, print)

    assert programs.version == "v3.276.0"
    assert (programs.folder / "pulumi-language-python").exists()


def test_a_cli_of_the_users_keeps_its_own_language_host(machine: Path) -> None:
    _built(machine)
    own = _program(machine / "path/pulumi", "v3.300.0")

    programs = lay(machine / "stage", PROJECT, print)

    assert (programs.pulumi, programs.version) == (own, "v3.300.0")
    assert not (programs.folder / "pulumi-language-python").exists()


def test_an_official_plugin_goes_before_a_stand_in(machine: Path) -> None:
    _built(machine)
    version = metadata.version("pulumi_cloudflare")
    _program(machine / f"home/.pulumi/plugins/resource-cloudflare-v{version}"
             "/pulumi-resource-cloudflare")  # fmt: skip
    _program(machine / "home/.pulumi/plugins/resource-docker-v0.0.1/pulumi-resource-docker")
    minio = _program(machine / "path/pulumi-resource-minio")

    programs = lay(machine / "stage", PROJECT, print)

    assert programs.official == {"cloudflare": version, "minio": "on PATH"}
    assert programs.standing_in == ["command", "docker"]
    assert (programs.folder / "pulumi-resource-minio").resolve() == minio
    assert {file.name for file in programs.folder.glob("pulumi-resource-*")} == {
        f"pulumi-resource-{package}" for package in PACKAGES
    }
    assert "cloudflare" in str(programs)


def test_nothing_of_the_users_pulumi_reaches_a_rehearsal(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _built(machine)
    for name in ("ACCESS_TOKEN", "BACKEND_URL", "CONFIG_PASSPHRASE_FILE", "HOME", "STACK"):
        monkeypatch.setenv(f"PULUMI_{name}", "the user's")

    programs = lay(machine / "stage", PROJECT, print)
    environment = programs.environment(config_passphrase="ours")

    assert "the user's" not in environment.values()
    assert environment["PULUMI_HOME"] == str(machine / "stage/pulumi-home")
    assert environment["PULUMI_CONFIG_PASSPHRASE"] == "ours"
    assert environment["PATH"].split(os.pathsep)[0] == str(programs.folder)
