"""What the stand-ins share: values, schema, differences, failures, lazy imports."""

import subprocess
import sys
from typing import Any

import pytest
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckRequest,
    DiffRequest,
    PropertyDiffKind,
    Provider,
)

from rehearsal.standins import PROVIDERS, difference, schema
from rehearsal.standins.failure import OperationError, redacted
from rehearsal.standins.values import (
    UNKNOWN,
    has_unknown,
    plain,
    secret_texts,
    with_marks,
    wrapped,
    wrapped_map,
)
from tests.standins.conformity import Deployed, properties, secret


def test_a_value_survives_the_way_to_plain_and_back() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": UNKNOWN}}
    assert plain(wrapped(value)) == value
    assert isinstance(plain(wrapped(3)), int)
    assert has_unknown(value)
    assert not has_unknown({"a": [1]})


def test_the_unknown_is_what_engines_send_for_it() -> None:
    assert wrapped(UNKNOWN).marshal().string_value == "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert plain(PropertyValue("04da6b54-80e4-46f7-96ec-b56ff0331ba9")) is UNKNOWN
    assert plain(PropertyValue.computed()) is UNKNOWN


def test_secret_marks_are_kept_where_they_were() -> None:
    like = wrapped({"open": "a", "list": [secret("b"), "c"], "whole": secret({"d": "e"})})
    marked = with_marks(wrapped({"open": "1", "list": ["2", "3"], "whole": {"d": "4"}}), like)
    assert sorted(secret_texts(marked)) == ["2", "4"]


def test_named_outputs_are_secret_whatever_the_inputs_were() -> None:
    sealed = wrapped_map({"key": "k", "name": "n"}, secret=frozenset({"key"}))
    assert (sealed["key"].is_secret, sealed["name"].is_secret) == (True, False)


def test_a_value_that_no_property_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="set is no property value"):
        wrapped({1, 2})


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (1, 1.0, {}),
        (None, "", {}),
        ([], None, {}),
        ({"a": None}, {}, {}),
        (True, 1, {"p": "UPDATE"}),
        (None, "x", {"p": "ADD"}),
        ("x", None, {"p": "DELETE"}),
        ("x", UNKNOWN, {"p": "UPDATE"}),
        (None, UNKNOWN, {"p": "ADD"}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"p.b": "UPDATE"}),
        ([1, 2], [1], {"p[1]": "DELETE"}),
        ([{"a": 1}], [{"a": 1, "b": 2}], {"p[0].b": "ADD"}),
        ([1], {"a": 1}, {"p": "UPDATE"}),
    ],
)
def test_differences_are_found_by_path(old: Any, new: Any, found: dict[str, str]) -> None:
    assert {path: kind.name for path, kind in difference.paths(old, new, "p")} == found


def test_a_difference_of_a_replacing_property_replaces() -> None:
    changes = {"type": [("type", PropertyDiffKind.UPDATE)], "ttl": [("ttl", PropertyDiffKind.ADD)]}
    found = difference.detailed(changes, frozenset({"type"}))
    assert found["type"].kind is PropertyDiffKind.UPDATE_REPLACE
    assert found["ttl"].kind is PropertyDiffKind.ADD


def test_the_schema_is_that_of_the_installed_sdk() -> None:
    record = schema.of("pulumi_cloudflare.dns_record:DnsRecord")
    assert record.inputs.required == {"name", "ttl", "type", "zoneId"}
    assert {"createdOn", "proxiable", "meta"} <= record.computed
    assert "matchingType" in record.inputs.nested["data"].names
    assert "proxied" in record.always
    assert "comment" not in record.always


def test_a_class_that_the_sdk_does_not_have_is_told() -> None:
    with pytest.raises(LookupError, match="no class Bucket"):
        schema.of("pulumi_minio.s3_bucket:Bucket")
    with pytest.raises(LookupError, match="not installed"):
        schema.of("pulumi_nothing.at_all:Bucket")


def test_every_line_of_a_secret_is_hidden_and_the_message_is_one_line() -> None:
    told = redacted("bad key\n  line-one of it\nsee line-two", ["line-one of it\nline-two"])
    assert told == "bad key; [secret]; see [secret]"


@pytest.mark.parametrize(
    ("package", "client"), [("command", "docker"), ("docker", "minio"), ("minio", "asyncssh")]
)
def test_a_stand_in_imports_its_own_client_only_and_no_sdk(package: str, client: str) -> None:
    program = (
        "import sys; from rehearsal.standins import PROVIDERS; "
        f"PROVIDERS['{package}'](); "
        f"bad = {{'{client}', 'cloudflare', 'pulumi_cloudflare', 'pulumi_docker', "
        "'pulumi_minio', 'pulumi_command'} & set(sys.modules); print(sorted(bad))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.anyio
@pytest.mark.parametrize("package", sorted(PROVIDERS))
async def test_an_unknown_type_or_configuration_is_refused(package: str) -> None:
    provider: Provider = PROVIDERS[package]()
    with pytest.raises(OperationError, match="has no stand-in"):
        await Deployed(provider, f"{package}:index/nothing:Nothing").create({})
    urn = f"urn:pulumi:qual::mail::pulumi:providers:{package}::own"
    given = {"colour": "red", "version": "1.0.0"}
    response = await provider.check_config(CheckRequest(urn, {}, properties(given), b""))
    assert [one.property for one in response.failures or []] == ["colour"]
    old, new = properties({"host": "a"}), properties({"host": "b"})
    changed = await provider.diff_config(DiffRequest(urn, "id", old, new, []))
    assert (changed.changes, changed.replaces) == (True, [])


@pytest.mark.anyio
async def test_ignored_changes_are_no_changes() -> None:
    provider = PROVIDERS["minio"]()
    one = Deployed(provider, "minio:index/s3Bucket:S3Bucket")
    old, new = properties({"bucket": "a", "acl": "private"}), properties({"bucket": "b"})
    request = DiffRequest(one.urn, "a", old, new, ["bucket"])
    assert not (await provider.diff(request)).changes


def test_a_property_value_inside_stays_as_it_is() -> None:
    inner = PropertyValue("x", is_secret=True)
    assert plain(wrapped({"a": inner})) == {"a": "x"}
    assert list(secret_texts(wrapped({"a": inner}))) == ["x"]
