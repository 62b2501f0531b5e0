"""The stack: what is refused, and in which order things happen."""

import json
import re
from typing import Any

import pulumi
import pytest

import pulumi_host
from components.certificate import CertificateComponent
from components.host import HostComponent
from components.mailcow import (
    MailcowComponent,
    ReleaseComponent,
    nginx_files,
    refuse_older_release,
    refuse_unsafe_change,
    release_options,
)
from components.mailcow_conf import FIXED, Installation, fixed_settings
from components.onhost import release, settings_guard, stack
from components.relay import RelayComponent
from components.remote import readings, with_readings
from components.traefik import TraefikComponent
from declaration.endpoints import Endpoints, RepositoryEndpoint
from declaration.model import Declaration
from declaration.reading import read
from tests.components import arguments
from tests.components.registrations import (
    CONNECTION,
    Registration,
    registered,
    secret_value,
    waits_for,
)


def deploy(declaration: Declaration) -> None:
    """Declare everything that the stack stands on, as the program does."""
    host = HostComponent("host", arguments.host(declaration, CONNECTION))
    brought = ReleaseComponent(
        "release", arguments.release(declaration, CONNECTION, after=[host.directories])
    )
    ready = [brought.checked]
    relay = RelayComponent("relay", arguments.relay(declaration, "re_planted", after=ready))
    traefik = TraefikComponent("traefik", arguments.traefik(declaration))
    certificate = CertificateComponent(
        "certificate", arguments.certificate(declaration, CONNECTION, traefik.file, after=ready)
    )
    MailcowComponent(
        "mailcow",
        arguments.mailcow(
            declaration,
            CONNECTION,
            brought,
            postfix_files=relay.files,
            before_start=[host.firewall, certificate.delivery],
        ),
    )


def deployed(declaration: Declaration) -> dict[str, Registration]:
    """Return what is registered."""
    return registered(lambda: deploy(declaration))


@pytest.mark.parametrize(
    "earlier",
    [
        "mailcow-release",
        "mailcow-settings-guard",
        "mailcow-conf",
        "mailcow-limits",
        "smarthost-extra-cf",
        "smarthost-login",
        "smarthost-tls-policy",
        "certificate-delivery",
        "firewall",
    ],
)
def test_containers_start_last(qual: Declaration, earlier: str) -> None:
    assert waits_for(deployed(qual), "mailcow", earlier)


def test_no_configuration_is_written_before_the_guard_has_agreed(qual: Declaration) -> None:
    found = deployed(qual)
    assert waits_for(found, "mailcow-conf", "mailcow-settings-guard")
    assert waits_for(found, "mailcow-settings-guard", "mailcow-release")


def test_the_release_is_checked_against_the_tiers(qual: Declaration) -> None:
    options = release.parser().parse_args(release_options(Installation(qual.mailcow, qual.names)))
    assert set(options.service) == set(qual.mailcow.services)
    assert options.tag == "2026-07a"
    assert options.commit == qual.mailcow.release.commit


def test_a_rehearsal_brings_the_release_from_its_own_address(qual: Declaration) -> None:
    elsewhere = RepositoryEndpoint(url="http://127.0.0.1:9/mailcow", commit="ab" * 20)
    declaration = qual.model_copy(update={"endpoints": Endpoints(repository=elsewhere)})
    options = release.parser().parse_args(
        release_options(Installation(declaration.mailcow, declaration.names))
    )
    assert (options.repository, options.commit) == (elsewhere.url, elsewhere.commit)


def test_another_tag_in_a_rehearsal_is_the_declared_commit(qual: Declaration) -> None:
    url, commit = "http://127.0.0.1:9/mailcow", "ab" * 20
    elsewhere = RepositoryEndpoint(url=url, commit=commit, tag="2026-07a")
    here = qual.model_copy(update={"endpoints": Endpoints(repository=elsewhere)})
    assert here.names.release.commit == commit
    moved = RepositoryEndpoint(url=url, commit=commit, tag="2026-03")
    there = qual.model_copy(update={"endpoints": Endpoints(repository=moved)})
    assert there.names.release.commit == qual.mailcow.release.commit


def test_the_start_reads_the_options_of_its_program(qual: Declaration) -> None:
    command = deployed(qual)["mailcow"].inputs["create"].splitlines()[0]
    guard, _, start = command.partition(" && ")
    noted = settings_guard.parser().parse_args(guard.split()[3:])
    assert noted.note
    options = stack.parser().parse_args(start.split()[3:])
    assert options.action == "up"
    assert options.project == "po-mail"
    assert stack.watched(options.watch) == {
        "postfix-mailcow": {
            "data/conf/postfix/extra.cf": "revision-of-smarthost-extra-cf",
            "data/conf/postfix/smarthost_passwd": "revision-of-smarthost-login",
            "data/conf/postfix/smarthost_tls_policy": "revision-of-smarthost-tls-policy",
        }
    }


def test_a_change_of_any_file_starts_anew(qual: Declaration) -> None:
    read = readings(deployed(qual)["mailcow"].inputs["create"])
    assert release_options(Installation(qual.mailcow, qual.names)) in read
    for name in ("mailcow-conf", "mailcow-limits", "smarthost-extra-cf", "smarthost-login"):
        assert f"revision-of-{name}" in read


def test_removal_stops_the_containers_and_keeps_the_volumes(qual: Declaration) -> None:
    delete = deployed(qual)["mailcow"].inputs["delete"]
    assert " down --project po-mail" in delete
    assert "--volumes" not in delete
    assert " -v" not in delete


def test_secrets_are_generated_on_the_host_and_sealed(qual: Declaration) -> None:
    found = deployed(qual)
    generated = [text for text in found.values() if text.type == "host:index:Secret"]
    assert len(generated) == 7
    assert all(item.inputs["path"].startswith("/opt/po-mail/secrets/") for item in generated)
    conf = found["mailcow-conf"]
    assert conf.inputs["mode"] == "0600"
    assert f"DBPASS={secret_value('secret-database', 28)}\n" in conf.inputs["content"]
    assert isinstance(conf.raw["content"], dict)
    for command in ("mailcow", "mailcow-settings-guard"):
        assert isinstance(found[command].raw["stdin"], dict)
        plain = {key: value for key, value in found[command].raw.items() if key != "stdin"}
        for item in generated:
            assert secret_value(item.name, 12) not in json.dumps(plain)


def test_the_guard_is_told_every_fixed_setting_with_its_reason(qual: Declaration) -> None:
    told = json.loads(deployed(qual)["mailcow-settings-guard"].inputs["stdin"])
    assert set(told) == set(FIXED)
    assert told["DBPASS"]["secret"]
    assert told["COMPOSE_PROJECT_NAME"]["value"] == "po-mail"


def test_the_api_key_is_sealed_and_known_while_the_stack_is_renewed(qual: Declaration) -> None:
    def program() -> None:
        host = HostComponent("host", arguments.host(qual, CONNECTION))
        brought = ReleaseComponent(
            "release", arguments.release(qual, CONNECTION, [host.directories])
        )
        mailcow = MailcowComponent("mailcow", arguments.mailcow(qual, CONNECTION, brought))
        pulumi_host.File("reader", path="/x", content=mailcow.api_key)

    reader = registered(program)["reader"]
    assert not reader.after & {"mailcow"}
    assert isinstance(reader.raw["content"], dict)


def hook_arguments(old: dict[str, str], new: dict[str, str]) -> pulumi.ResourceHookArgs:
    """Return what the engine tells a hook before an update of the fixed settings."""
    return hook_update(
        {"delete": with_readings("down", [old])}, {"delete": with_readings("down", [new])}
    )


def hook_update(old: dict[str, Any], new: dict[str, Any]) -> pulumi.ResourceHookArgs:
    """Return what the engine tells a hook before an update."""
    return pulumi.ResourceHookArgs(
        urn="urn:pulumi:test::mail::command:remote:Command::mailcow",
        id="id",
        name="mailcow",
        type="command:remote:Command",
        new_inputs=new,
        old_inputs=old,
    )


def test_a_preview_refuses_an_unsafe_change_with_the_reason(qual: Declaration) -> None:
    old = fixed_settings(Installation(qual.mailcow, qual.names))
    new = old | {"COMPOSE_PROJECT_NAME": "mail"}
    with pytest.raises(ValueError, match="it prefixes the volumes"):
        refuse_unsafe_change(hook_arguments(old, new))


def test_the_state_names_the_settings_that_a_preview_compares(qual: Declaration) -> None:
    assert readings(deployed(qual)["mailcow"].inputs["delete"]) == [
        fixed_settings(Installation(qual.mailcow, qual.names))
    ]


def test_no_command_is_ever_replaced(qual: Declaration) -> None:
    # The plugin replaces on `triggers`: the new start, and then the old removal, would run.
    found = deployed(qual)
    commands = [text for text in found.values() if text.type == "command:remote:Command"]
    assert len(commands) == 7
    for command in commands:
        assert "triggers" not in command.inputs
        assert command.inputs["update"] == command.inputs["create"]


def test_a_preview_lets_every_other_change_pass(qual: Declaration) -> None:
    old = fixed_settings(Installation(qual.mailcow, qual.names))
    refuse_unsafe_change(hook_arguments(old, dict(old)))
    refuse_unsafe_change(hook_arguments({}, old))


def started(tag: str) -> dict[str, Any]:
    return {"delete": f"python3 stack.py down --release {tag}@{'a' * 40}\n# reads: {{}}"}


@pytest.mark.parametrize(
    ("before", "tag", "back_from", "passes"),
    [
        ("2026-08", "2026-07a", None, False),
        ("2026-07a", "2026-07", None, False),
        ("2026-09", "2026-07a", "2026-08", False),
        ("2026-08", "2026-07a", "2026-08", True),
        ("2026-07a", "2026-08", None, True),
        ("2026-07a", "2026-07a", None, True),
    ],
)
def test_an_older_release_than_the_one_that_runs_is_refused_in_a_preview(
    before: str,
    tag: str,
    back_from: str | None,
    passes: bool,  # noqa: FBT001 - a table's column
) -> None:
    update = hook_update(started(before), started(tag))

    if passes:
        refuse_older_release(update, back_from)
        return
    with pytest.raises(ValueError, match=f"Declare what runs .tag: {before}, commit: {'a' * 40}"):
        refuse_older_release(update, back_from)


def test_a_deployed_release_can_be_told_from_the_state(qual: Declaration) -> None:
    inputs = deployed(qual)["mailcow"].inputs
    older = hook_update(dict(inputs), started("2026-06"))

    with pytest.raises(ValueError, match="2026-07a runs"):
        refuse_older_release(older, None)


def test_no_policy_file_without_a_declared_policy(qual: Declaration) -> None:
    assert nginx_files(qual.names) == {}


def test_the_declared_policy_is_served_word_for_word(qual_values: dict[str, Any]) -> None:
    qual_values["zone"] = {**qual_values["zone"], "mtaSts": {"mode": "testing"}}
    declaration = read(qual_values, source="test")
    files = nginx_files(declaration.names)
    assert "mx: mx.portugalodyssey.pt" in files["mta-sts.txt"]
    location = files["site.mta-sts.custom"]
    assert re.search(r"location = /\.well-known/mta-sts\.txt", location)
    assert 'if ($host != "mta-sts.portugalodyssey.pt")' in location
    found = deployed(declaration)
    site = "data/conf/nginx/site.mta-sts.custom=revision-of-nginx-site-mta-sts-custom"
    assert f"--watch nginx-mailcow={site}" in found["mailcow"].inputs["create"]
