"""What the stand-ins share: the SDK's schema, lazy imports, notes, what is refused, a plugin."""

import subprocess
import sys
from importlib.metadata import version

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.provider.experimental.provider import CheckRequest, DiffRequest, Provider
from pulumi.runtime.proto import provider_pb2_grpc

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import plain, wrapped
from rehearsal.standins import PROVIDERS, notes, schema
from tests.standins.conformity import Deployed, properties


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


def test_defaults_are_filled_in_and_noted_in_every_object_but_those_of_zero() -> None:
    shape = schema.of("pulumi_docker.container:Container").inputs
    defaults = {"mustRun": True, "rm": False, "ports": {"protocol": "tcp"}}
    inputs = properties({"ports": [{"internal": 1}], "logOpts": {"max-size": "1m"}})
    noted = notes.noted(inputs, shape, defaults)
    assert {key: value.value for key, value in noted.items()} == {
        "__defaults": (wrapped("mustRun"),),
        "mustRun": True,
        "ports": (wrapped({"__defaults": ["protocol"], "internal": 1, "protocol": "tcp"}),),
        "logOpts": wrapped({"max-size": "1m"}).value,
    }
    assert notes.noted(noted, shape, {}) == noted
    assert plain(noted["ports"]) == [{"internal": 1, "protocol": "tcp"}]


@pytest.mark.parametrize("package", sorted(PROVIDERS))
def test_a_stand_in_is_served_as_a_plugin(package: str) -> None:
    words = [sys.executable, "-m", "rehearsal.standins", package, "127.0.0.1:1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            info = stub.GetPluginInfo(empty_pb2.Empty(), timeout=20)
        process.terminate()
    assert info.version == version(f"pulumi-{package}")


def test_a_plugin_that_is_none_of_them_is_refused_by_name() -> None:
    words = [sys.executable, "-m", "rehearsal.standins", "aws", "127.0.0.1:1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "{cloudflare,command,docker,minio}" in done.stderr


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
    with pytest.raises(ProviderError, match="has no stand-in"):
        await Deployed(provider, f"{package}:index/nothing:Nothing").create({})
    urn = f"urn:pulumi:qual::mail::pulumi:providers:{package}::own"
    given = {"colour": "red", "version": "1.0.0"}
    response = await provider.check_config(CheckRequest(urn, {}, properties(given), b""))
    assert [failure.property for failure in response.failures or []] == ["colour"]
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
