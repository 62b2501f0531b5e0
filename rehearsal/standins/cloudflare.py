"""Stand-in for the Cloudflare plugin: DNS records and zones, on the official client."""

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from cloudflare import (
    APIConnectionError,
    APIStatusError,
    AsyncCloudflare,
    DefaultAsyncHttpxClient,
)
from cloudflare._models import FinalRequestOptions
from typing_extensions import override

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import Plain
from rehearsal.standins.base import Kind, StandIn


def camel(value: Any) -> Any:
    """Return an answer of the API with its keys in camel case, as states and SDKs have them."""
    if isinstance(value, Mapping):
        return {
            re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), key): camel(item)
            for key, item in value.items()
        }
    return [camel(item) for item in value] if isinstance(value, list) else value


def snake(value: Any) -> Any:
    """Return inputs with their keys in snake case, as the API has them."""
    if isinstance(value, Mapping):
        return {
            re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", key): snake(item)
            for key, item in value.items()
        }
    return [snake(item) for item in value] if isinstance(value, list) else value


class Api:
    """Cloudflare's API: the envelope taken off, errors in one line."""

    def __init__(self, *, token: str, base_url: str) -> None:
        # Nothing of the environment: no proxy between here and loopback, no second credential.
        self._client = AsyncCloudflare(
            api_token=token,
            base_url=base_url,
            http_client=DefaultAsyncHttpxClient(trust_env=False, timeout=30.0),
        )
        self._client.api_key = self._client.api_email = self._client.user_service_key = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Plain | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Any:
        """Return the `result` of a request, or None where the API knows no such object.

        Raises:
            ProviderError: the API refused, with its words and code.
        """
        options = FinalRequestOptions.construct(
            method=method, url=path, params=dict(query or {}), json_data=body
        )
        try:
            answer = await self._client.request(httpx.Response, options)
        except APIStatusError as error:
            if error.status_code == httpx.codes.NOT_FOUND and method != "POST":
                return None
            raise ProviderError(f"{method} {path}: {error.status_code} {_words(error)}") from None
        except APIConnectionError as error:
            cause = error.__cause__ or error
            raise ProviderError(f"{method} {path}: {cause}") from None
        return answer.json()["result"]


def _words(error: APIStatusError) -> str:
    """Return what the API said: its words, with those of the chain below them, and codes."""
    try:
        entries = error.response.json()["errors"]
    except (ValueError, LookupError, TypeError):
        return error.response.reason_phrase
    flat = [part for entry in entries for part in (entry, *entry.get("error_chain", ()))]
    return ": ".join(f"{part.get('message')} ({part.get('code')})" for part in flat)


class DnsRecord(Kind[Api]):
    """One DNS record."""

    token = "cloudflare:index/dnsRecord:DnsRecord"  # noqa: S105 - a type token
    sdk = "pulumi_cloudflare.dns_record:DnsRecord"
    taught = frozenset(
        {"comment", "content", "data", "name", "priority", "proxied", "ttl", "type", "zoneId"}
    )
    replaces = frozenset({"zoneId", "type"})
    meta = '{"schema_version":"500"}'

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse what the plugin refuses before it asks the API."""
        found = []
        ttl = inputs.get("ttl")
        if inputs.get("proxied") is True and isinstance(ttl, int) and ttl != 1:
            found.append(("ttl", "must be 1 when `proxied` is true"))
        if isinstance(ttl, int) and ttl != 1 and not 30 <= ttl <= 86400:
            found.append(("ttl", "must be 1 (automatic) or between 30 and 86400 seconds"))
        if "content" in inputs and "data" in inputs:
            found.append(("content", "conflicts with data; give one of them"))
        return found

    @override
    def imported(self, inputs: Plain) -> Plain:
        """The API tells `content` for every record, also where `data` says it in parts."""
        return {
            key: item for key, item in inputs.items() if key != "content" or "data" not in inputs
        }

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """A name may be given in full, or relative to the zone."""
        if name == "name" and isinstance(value, str):
            held, given = str(state.get("name", "")).lower(), value.rstrip(".").lower()
            same = given == "@" or held.startswith(f"{given}.") or given.startswith(f"{held}.")
            return held if same else given
        if name == "data" and isinstance(value, Mapping) and "flags" in value:
            return {**value, "flags": str(value["flags"])}
        if name == "priority" and value is not None:
            return str(value)  # the plugin tells a priority of 0 from none
        return value

    @staticmethod
    def _body(inputs: Plain) -> Plain:
        body: Plain = snake({key: it for key, it in inputs.items() if key != "zoneId"})
        return {"proxied": False, **body}

    def _state(self, zone: str, answer: Plain, inputs: Plain) -> Plain:
        """Return everything that the API answered, under the names of the SDK."""
        state = {
            key: item
            for key, item in camel(answer).items()
            if key in self.schema.outputs and item is not None
        }
        state["meta"] = json.dumps(answer["meta"], separators=(",", ":"), sort_keys=True)
        name = inputs.get("name")
        if name is not None and self.comparable("name", name, state) == state["name"].lower():
            state["name"] = name
        return {**state, "id": answer["id"], "zoneId": zone}

    def _written(self, zone: str, answer: Plain, inputs: Plain) -> Plain:
        """Return the state after a write; the plugin sees an undeclared priority only on a read."""
        state = self._state(zone, answer, inputs)
        return {key: item for key, item in state.items() if key != "priority" or key in inputs}

    @override
    async def create(self, account: Api, inputs: Plain) -> tuple[str, Plain]:
        """Create the record."""
        zone = inputs["zoneId"]
        path = f"/zones/{zone}/dns_records"
        answer = await account.call("POST", path, body=self._body(inputs))
        return answer["id"], self._written(zone, answer, inputs)

    @override
    async def read(self, account: Api, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Read the record; for an import the id is `zone/record`."""
        zone, slash, record = identity.rpartition("/")
        if not slash:
            zone = state.get("zoneId", "")
        if not zone:
            raise ProviderError(f"{identity}: give the id to import as <zone id>/<record id>")
        answer = await account.call("GET", f"/zones/{zone}/dns_records/{record}")
        return None if answer is None else (record, self._state(zone, answer, state))

    @override
    async def update(self, account: Api, identity: str, old: Plain, new: Plain) -> Plain:
        """Overwrite the record."""
        zone = old["zoneId"]
        path = f"/zones/{zone}/dns_records/{identity}"
        answer = await account.call("PUT", path, body=self._body(new))
        if answer is None:
            raise ProviderError(f"{new['type']} {new['name']}: the record is gone; refresh first")
        return self._written(zone, answer, new)

    @override
    async def delete(self, account: Api, identity: str, state: Plain) -> None:
        """Delete the record."""
        await account.call("DELETE", f"/zones/{state['zoneId']}/dns_records/{identity}")


async def get_zone(account: Api, arguments: Plain) -> Plain:
    """Return the one zone that a `filter` by its name finds."""
    wanted = {key: item for key, item in arguments.get("filter", {}).items() if item is not None}
    name = wanted.get("name")
    if name is None or wanted.keys() > {"name", "match"} or arguments.keys() > {"filter"}:
        raise ProviderError("a zone is found by the name in a filter; the rest has no stand-in")
    found = await account.call("GET", "/zones", query={"name": name})
    if len(found) != 1:
        raise ProviderError(f"{name} matches {len(found)} zones of this token, not one")
    zone: Plain = camel(found[0])
    return {**zone, "zoneId": zone["id"], "filter": wanted}


class StandInProvider(StandIn[Api]):
    """Stand-in for pulumi-cloudflare 6.23.1."""

    sdk = "pulumi_cloudflare"
    kinds = (DnsRecord,)
    functions: ClassVar = {"cloudflare:index/getZone:getZone": get_zone}

    @override
    def open(self, configuration: Plain) -> Api:
        """Open the API with the token."""
        token, base_url = configuration.get("apiToken"), configuration.get("baseUrl")
        if not token or not base_url:
            raise ProviderError("the cloudflare provider needs an apiToken and a baseUrl")
        return Api(token=token, base_url=base_url)

    @override
    async def shut(self, account: Api) -> None:
        """Close the connections."""
        await account.close()
