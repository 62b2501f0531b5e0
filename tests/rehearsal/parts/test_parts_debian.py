"""Packages of Debian: asked of apt in the right way, and no service starts."""

import os
from pathlib import Path

import pytest

from rehearsal.parts.catalogue import chosen
from rehearsal.parts.commands import InstallError
from rehearsal.parts.debian import Apt, version
from tests.rehearsal.parts.tools import APT_GET, DPKG_QUERY, SYSTEMCTL, Machine, machine

POLICY = "usr/sbin/policy-rc.d"


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    one = machine(tmp_path, monkeypatch)
    one.lay("apt-get", APT_GET)
    one.lay("dpkg-query", DPKG_QUERY)
    one.lay("systemctl", SYSTEMCTL)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lists = one.state / "root/var/lib/apt/lists"
    lists.mkdir(parents=True)
    (lists / "deb_Packages.lz4").touch()
    return one


def install(debian: Machine, *names: str) -> list[str]:
    lines: list[str] = []
    Apt(lines.append, debian.state / "root").install(chosen(names))
    return lines


def asked(debian: Machine) -> list[str]:
    return [call["arguments"][3] for call in debian.calls("apt-get")]


def test_what_is_missing_is_installed_at_once_without_questions(debian: Machine) -> None:
    (debian.state / "installed/restic").write_text("1")
    lines = install(debian, "postfix", "restic", "nsd")
    (call,) = debian.calls("apt-get")
    assert call["arguments"] == [
        "-o", "DPkg::Lock::Timeout=300", "-q", "install", "-y", "--no-install-recommends",
        "postfix", "postfix-sqlite", "libsasl2-modules", "nsd",
    ]  # fmt: skip
    assert call["frontend"] == "noninteractive"
    assert lines == ["apt-get install postfix postfix-sqlite libsasl2-modules nsd"]


def test_nothing_is_asked_of_apt_where_all_is_there(debian: Machine) -> None:
    (debian.state / "installed/nsd").write_text("1")
    assert install(debian, "nsd") == []
    assert debian.calls("apt-get") == []


def test_no_service_may_start_while_packages_are_installed(debian: Machine) -> None:
    install(debian, "postfix")
    assert "exit 101" in debian.calls("apt-get")[0]["policy"]
    assert not (debian.state / "root" / POLICY).exists()


def test_the_policy_goes_also_when_the_installation_fails(debian: Machine) -> None:
    (debian.state / "broken").touch()
    with pytest.raises(InstallError, match="Unable to locate package"):
        install(debian, "postfix")
    assert not (debian.state / "root" / POLICY).exists()


def test_a_policy_of_the_systems_own_stays(debian: Machine) -> None:
    policy = debian.state / "root" / POLICY
    policy.parent.mkdir(parents=True)
    policy.write_text("#!/bin/sh\nexit 101\n")
    install(debian, "postfix")
    assert policy.read_text() == "#!/bin/sh\nexit 101\n"


def test_a_policy_that_an_interrupted_run_left_is_removed(debian: Machine) -> None:
    (debian.state / "broken").touch()
    policy = debian.state / "root" / POLICY
    policy.parent.mkdir(parents=True)
    policy.write_text("#!/bin/sh\n# Laid by `make parts`, for the time of an installation.\n")
    with pytest.raises(InstallError):
        install(debian, "postfix")
    assert not policy.exists()


def test_missing_lists_are_fetched_first(debian: Machine) -> None:
    (debian.state / "root/var/lib/apt/lists/deb_Packages.lz4").unlink()
    install(debian, "nsd")
    assert asked(debian) == ["update", "install"]


def test_old_lists_are_fetched_again_when_a_package_cannot_be_found(debian: Machine) -> None:
    (debian.state / "stale").touch()
    install(debian, "nsd")
    assert asked(debian) == ["install", "update", "install"]


def test_services_of_new_packages_do_not_start_at_the_next_boot(debian: Machine) -> None:
    (debian.state / "root/run/systemd/system").mkdir(parents=True)
    (debian.state / "installed/nsd").write_text("1")
    install(debian, "nsd", "postfix")
    (call,) = debian.calls("systemctl")
    assert call["arguments"] == ["disable", "--quiet", "postfix.service"]


def test_without_systemd_there_is_nothing_to_disable(debian: Machine) -> None:
    install(debian, "postfix")
    assert debian.calls("systemctl") == []


def test_an_ordinary_user_is_told_the_line_for_root(
    debian: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    packages = "postfix postfix-sqlite libsasl2-modules nsd"
    with pytest.raises(
        InstallError, match=f"as root, run: apt-get install --no-install-recommends {packages}"
    ):
        install(debian, "postfix", "nsd")
    assert debian.calls("apt-get") == []


def test_another_system_is_told_what_to_install(
    debian: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(debian.state))
    with pytest.raises(InstallError, match=r"no apt-get; .*on PATH: restic"):
        install(debian, "restic")
    assert version("restic") == ""


def test_a_package_that_was_removed_is_not_there(debian: Machine) -> None:
    debian.lay("dpkg-query", 'print("config-files 1.0", end="")')
    assert version("nsd") == ""
