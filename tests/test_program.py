"""The whole program, run once against a monitor that records it."""

import json
import runpy
from collections import Counter
from typing import Any

import pulumi
import pytest
import yaml

from declaration.mistakes import looks_secret
from declaration.model import Declaration
from declaration.reading import load_values, read, read_file, secret_keys
from tests.conftest import FACTS, PROJECT
from tests.recording import MARKER, Recording, Sealed, json_config, record

DNS_RECORD = "cloudflare:index/dnsRecord:DnsRecord"


def program() -> None:
    runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")


def planted(declaration: Declaration) -> dict[str, str]:
    """Return an invented secret for every key that needs one, each with the marker in it."""
    return {
        f"mail:{key}": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{MARKER}"
        if key == "sshPrivateKey"
        else f"{MARKER}-{key}-secret"
        for key in secret_keys(declaration)
    }


def run(overlay: dict[str, Any] | None = None) -> Recording:
    values = load_values(PROJECT / "Pulumi.qual.yaml") | FACTS | (overlay or {})
    secrets = planted(read_file(PROJECT / "Pulumi.qual.yaml", FACTS | (overlay or {})))
    return record(program, json_config(values) | secrets, secrets)


@pytest.fixture(scope="module")
def whole() -> Recording:
    """Return the registrations of the stack `qual`."""
    recording = run()
    assert recording.error is None
    return recording


def test_the_program_registers_every_part(whole: Recording) -> None:
    parts = {resource.type.removeprefix("mail:components:") for resource in whole.resources}

    assert {
        "Host", "Release", "Smarthost", "Traefik", "Certificate", "Mailcow", "People", "Zone",
        "Backup", "Monitoring",
    } <= parts  # fmt: skip


def test_every_resource_has_a_part_as_parent_and_an_explicit_provider(whole: Recording) -> None:
    for resource in whole.resources:
        if resource.type.startswith(("pulumi:providers:", "mail:components:")):
            continue
        assert resource.parent != "mail-qual", resource.urn
        if not resource.type.startswith("command:"):  # a command carries its own connection
            package = resource.type.split(":")[0]
            assert f"$pulumi:providers:{package}::" in resource.provider, resource.urn


def test_no_two_resources_share_a_name(whole: Recording) -> None:
    kinds = Counter(
        resource.name
        for resource in whole.resources
        if not resource.type.startswith(("pulumi:providers:", "mail:components:"))
    )

    assert [name for name, count in kinds.items() if count > 1] == []
    assert all(name == name.lower() for name in kinds)


def test_names_are_the_same_at_every_run(whole: Recording) -> None:
    assert {resource.urn for resource in run().resources} == {
        resource.urn for resource in whole.resources
    }


def test_nothing_that_mail_uses_is_proxied(whole: Recording) -> None:
    records = whole.of_type(DNS_RECORD)

    assert len(records) == 23
    assert all(text.inputs["proxied"] is False for text in records.values())


def test_no_secret_stands_in_clear_in_any_input(whole: Recording) -> None:
    sealed = 0
    for resource in whole.resources:
        sealed += sum(isinstance(value, Sealed) for value in resource.inputs.values())
        assert MARKER not in json.dumps(_clear(resource.inputs)), resource.urn
    assert sealed > 10


def test_no_command_carries_a_secret_in_its_words(whole: Recording) -> None:
    for resource in whole.of_type("command:remote:Command").values():
        for key in ("create", "update", "delete", "environment"):
            assert not isinstance(resource.inputs.get(key), Sealed), (resource.name, key)
            assert not looks_secret(str(resource.inputs.get(key, ""))), (resource.name, key)


def test_every_command_uses_the_one_connection(whole: Recording) -> None:
    connections = {
        json.dumps(_clear(resource.inputs["connection"]), sort_keys=True)
        for resource in whole.of_type("command:remote:Command").values()
    }

    assert len(connections) == 1


def test_people_wait_for_the_stack_and_the_mx_record_waits_for_people(whole: Recording) -> None:
    assert whole.of_type("mailcow:index:Domain")["domain"].parent == "people"
    mx = whole.of_type(DNS_RECORD)["apex-mx"]
    assert mx.after("mailbox-postmaster")
    assert not whole.of_type(DNS_RECORD)["mx-a"].after("mailbox-postmaster")


def test_a_mistake_registers_nothing() -> None:
    values = load_values(PROJECT / "Pulumi.qual.yaml") | FACTS | {"domain": "Example"}

    recording = record(program, json_config(values), ())

    assert isinstance(recording.error, pulumi.RunError)
    assert "mail:domain" in str(recording.error)
    assert recording.resources == []


def _clear(value: Any) -> Any:
    """Return what would be readable in the state."""
    if isinstance(value, Sealed):
        return "sealed"
    if isinstance(value, dict):
        return {key: _clear(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_clear(item) for item in value]
    return value


# Pulumi.yaml


def described() -> dict[str, Any]:
    """Return the `config:` block of Pulumi.yaml."""
    config: dict[str, Any] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text("utf-8"))["config"]
    return config


def test_the_project_describes_every_key_and_no_other() -> None:
    fields = {field.alias: field for field in Declaration.model_fields.values()}

    assert set(described()) == set(fields)


def test_a_key_must_be_set_exactly_when_the_declaration_demands_it() -> None:
    for key, entry in described().items():
        field = next(field for field in Declaration.model_fields.values() if field.alias == key)
        assert ("default" not in entry) == (field.is_required() and key not in FACTS), key


def test_the_defaults_of_the_project_are_those_of_the_declaration(
    qual_values: dict[str, Any], qual: Declaration
) -> None:
    defaults = {key: one["default"] for key, one in described().items() if "default" in one}

    assert read(defaults | qual_values, source="x") == qual
