"""The backup: what the storage allows, what the host is told, and in which order."""

import configparser
import json
import re

import pytest

from components import backup
from components.backup import BackupComponent
from declaration.model import Declaration
from declaration.names import BACKUP_PASSPHRASE
from tests.components import arguments
from tests.components.registrations import (
    CONNECTION,
    SECRET_MARK,
    Registration,
    registered,
    waits_for,
)

PASSPHRASE = "planted-passphrase-1a"


@pytest.fixture
def found(qual: Declaration) -> dict[str, Registration]:
    return registered(
        lambda: BackupComponent("backup", arguments.backup(qual, CONNECTION, passphrase=PASSPHRASE))
    )


def test_the_bucket_is_private_versioned_and_old_versions_expire(
    found: dict[str, Registration],
) -> None:
    assert found["backup-bucket"].inputs["acl"] == "private"
    versioning = found["backup-versioning"].inputs["versioningConfiguration"]
    assert versioning["status"] == "Enabled"
    (rule,) = found["backup-lifecycle"].inputs["rules"]
    assert rule["noncurrentVersionExpirationDays"] == 30
    assert "status" not in rule
    assert waits_for(found, "backup-lifecycle", "backup-versioning")


def test_the_user_can_do_nothing_outside_its_bucket_and_delete_no_version() -> None:
    policy = json.loads(backup.bucket_policy("po-mail-backups"))
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for resource in statement["Resource"]:
            assert re.fullmatch(r"arn:aws:s3:::po-mail-backups(/\*)?", resource)
        for action in statement["Action"]:
            assert "*" not in action
            assert "Version" not in action
            assert not action.startswith("s3:PutBucket")


def test_the_user_is_never_updated_as_the_plugin_would_delete_it(
    found: dict[str, Registration],
) -> None:
    user = found["backup-user"]

    assert set(user.inputs) == {"name"}
    assert user.ignored >= {"forceDestroy", "disableUser", "updateSecret"}


def test_the_key_has_a_policy_of_its_own_and_reaches_the_host_as_a_secret(
    found: dict[str, Registration],
) -> None:
    assert json.loads(found["backup-key"].inputs["policy"])["Statement"]
    for name in ("backup-environment", "backup-passphrase"):
        assert found[name].inputs["mode"] == "0600"
        assert SECRET_MARK in found[name].raw["content"]
        assert waits_for(found, "backup-schedule", name)
    assert waits_for(found, "backup-environment", "backup-key")


def test_the_passphrase_is_in_its_own_file_alone(found: dict[str, Registration]) -> None:
    holders = [name for name, one in found.items() if PASSPHRASE in json.dumps(one.raw)]
    assert holders == ["backup-passphrase"]


def test_every_part_is_stored_also_what_mailcow_leaves_out(qual: Declaration) -> None:
    settings = json.loads(backup.render_backup_settings(arguments.nightly(qual)))
    assert set(settings["volumes"]) == {"vmail", "crypt", "redis", "rspamd", "postfix", "sogo"}
    paths = set(settings["paths"].values())
    directory = qual.mailcow.directory
    assert {
        f"{directory}/data/conf",
        f"{directory}/data/assets/ssl",
        f"{directory}/data/hooks",
        f"{directory}/docker-compose.override.yml",
        f"{directory}/mailcow.conf",
        "/opt/po-mail/secrets",
    } == paths
    assert settings["keep"] == {"daily": 7, "weekly": 4, "monthly": 6}


def test_restic_speaks_tls_to_the_declared_server(qual: Declaration) -> None:
    text = backup.render_environment(arguments.nightly(qual), "key", "planted")
    lines = dict(line.split("=", 1) for line in text.splitlines())
    assert lines["RESTIC_REPOSITORY"] == ("s3:https://minio.portugalodyssey.pt:443/po-mail-backups")
    assert lines["RESTIC_PASSWORD_FILE"] == BACKUP_PASSPHRASE


def test_the_service_is_hardened_and_may_write_only_its_state_and_metrics(
    qual: Declaration,
) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]  # keys of units have capitals
    unit.read_string(backup.render_backup_service(qual.monitoring.textfile_directory))
    service = unit["Service"]
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ReadWritePaths"].split() == [
        "/opt/po-mail/state",
        f"-{qual.monitoring.textfile_directory}",
    ]
    assert PASSPHRASE not in service["ExecStart"]


def test_a_missed_run_is_made_up_for() -> None:
    timer = backup.render_backup_timer("*-*-* 03:00:00 UTC")
    assert "OnCalendar=*-*-* 03:00:00 UTC\n" in timer
    assert "Persistent=true\n" in timer


def test_a_wrong_schedule_stops_before_the_timer_is_touched(
    found: dict[str, Registration],
) -> None:
    run = found["backup-schedule"].inputs["create"]
    assert run.index("systemd-analyze calendar") < run.index("systemctl enable")
