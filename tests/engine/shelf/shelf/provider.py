"""A provider whose cloud is a folder: one file per box, one line per call."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.property_value import PropertyValue

REPLACING = ("place", "port")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def plain(value: PropertyValue) -> Any:
    """Return the value without marks."""
    inner = value.value
    if isinstance(inner, str | bool | float) or inner is None:
        return inner
    if hasattr(inner, "items"):
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(inner, tuple):
        return [plain(item) for item in inner]
    return str(inner)


def _undone(properties: Mapping[str, PropertyValue], call: str) -> bool:
    wish = properties.get("undone")
    return wish is not None and call in str(plain(wish)).split()


def value_of(thing: Any) -> PropertyValue:
    """Return plain JSON as a property value."""
    if isinstance(thing, dict):
        return PropertyValue({key: value_of(item) for key, item in thing.items()})
    if isinstance(thing, list):
        return PropertyValue([value_of(item) for item in thing])
    if isinstance(thing, int) and not isinstance(thing, bool):
        return PropertyValue(float(thing))
    return PropertyValue(thing)


class PartlyDoneError(Exception):
    """A box stands on the shelf, but not as asked."""

    def __init__(
        self,
        resource_id: str,
        properties: Mapping[str, PropertyValue],
        inputs: Mapping[str, PropertyValue],
    ) -> None:
        self.resource_id = resource_id
        self.properties = dict(properties)
        self.inputs = dict(inputs)
        code = plain(properties["code"]) if "code" in properties else "none"
        self.reasons = ["the lid is open", f"the lock does not take {code}"]
        super().__init__("; ".join(self.reasons))


class ShelfProvider(p.Provider):
    """Keeps boxes as files.

    `fail` in a box's inputs names the call that must fail, `undone` those that do half the work.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self.delay = 0.0

    async def get_schema(self, request: p.GetSchemaRequest) -> p.GetSchemaResponse:
        """Return a schema that the genuine engine can import from."""
        del request
        return p.GetSchemaResponse(schema=json.dumps({"name": "shelf", "version": "1.0.0"}))

    async def check_config(self, request: p.CheckRequest) -> p.CheckResponse:
        """Refuse a shelf without a folder."""
        if "folder" not in request.new_inputs:
            return p.CheckResponse(
                inputs=request.new_inputs,
                failures=[p.CheckFailure("folder", "a shelf needs a folder")],
            )
        return p.CheckResponse(inputs=request.new_inputs)

    async def diff_config(self, request: p.DiffRequest) -> p.DiffResponse:
        """Another region is another shelf; anything else is the same one, set up anew."""
        old, new = request.old_state.get("region"), request.new_inputs.get("region")
        if old != new:
            return p.DiffResponse(changes=True, replaces=["region"], diffs=["region"])
        return p.DiffResponse()

    async def configure(self, request: p.ConfigureRequest) -> p.ConfigureResponse:
        """Take the folder and the pace."""
        self.folder = Path(str(plain(request.args["folder"])))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.delay = float(plain(request.args.get("delay", PropertyValue("0"))))
        self._note("configure", str(plain(request.args.get("region", PropertyValue("")))))
        return p.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: p.CheckRequest) -> p.CheckResponse:
        """Refuse an oversized box."""
        size = request.new_inputs.get("size")
        if size is not None and size.value == 13.0:
            failure = p.CheckFailure("size", "13 brings bad luck")
            return p.CheckResponse(inputs=request.new_inputs, failures=[failure])
        return p.CheckResponse(inputs=request.new_inputs)

    async def diff(self, request: p.DiffRequest) -> p.DiffResponse:
        """Compare what was stored with what is asked."""
        keys = (request.old_state.keys() | request.new_inputs.keys()) - {"serial", "token"}
        detailed = {}
        for key in sorted(keys):
            old, new = request.old_state.get(key), request.new_inputs.get(key)
            if (old and plain(old)) == (new and plain(new)):
                continue
            word = "ADD" if old is None else "DELETE" if new is None else "UPDATE"
            suffix = "_REPLACE" if key in REPLACING else ""
            kind = p.PropertyDiffKind[word + suffix]
            detailed[key] = p.PropertyDiff(kind, input_diff=True)
        return p.DiffResponse(
            changes=bool(detailed),
            replaces=[key for key in detailed if key in REPLACING],
            delete_before_replace="port" in detailed,
            diffs=list(detailed),
            detailed_diff=detailed,
        )

    async def create(self, request: p.CreateRequest) -> p.CreateResponse:
        """Put a box on the shelf."""
        if request.preview:
            return p.CreateResponse(properties={**request.properties})
        self._note("create", request.name, timeout=request.timeout)
        await self._work(request.properties, "create")
        box_id = f"{request.name}-{uuid.uuid4().hex[:6]}"
        outputs = dict(request.properties)
        outputs["serial"] = PropertyValue(float(len(list(self.folder.glob("*.json")))))
        outputs["token"] = PropertyValue(f"token of {request.name}")
        self._store(box_id, outputs)
        self._note("created", request.name)
        if _undone(request.properties, "create"):
            raise PartlyDoneError(box_id, outputs, request.properties)
        return p.CreateResponse(resource_id=box_id, properties=outputs)

    async def read(self, request: p.ReadRequest) -> p.ReadResponse:
        """Look at a box; one that is gone has no id."""
        path = self.folder / f"{request.resource_id}.json"
        if not path.exists():
            return p.ReadResponse(resource_id="")
        stored = json.loads(path.read_text())
        marked = {key for key, value in request.properties.items() if value.is_secret}
        outputs = {
            key: value_of(item).with_secret(key in marked or key == "code")
            for key, item in stored.items()
        }
        inputs = {key: value for key, value in outputs.items() if key not in {"serial", "token"}}
        if _undone(request.inputs, "read"):
            raise PartlyDoneError(request.resource_id, outputs, inputs)
        return p.ReadResponse(request.resource_id, outputs, inputs)

    async def update(self, request: p.UpdateRequest) -> p.UpdateResponse:
        """Change a box where it stands."""
        outputs = dict(request.news)
        outputs |= {key: request.olds[key] for key in ("serial", "token") if key in request.olds}
        if request.preview:
            return p.UpdateResponse(properties=outputs)
        self._note("update", request.name, timeout=request.timeout)
        await self._work(request.news, "update")
        if _undone(request.news, "update"):
            raise PartlyDoneError(request.resource_id, request.olds, request.news)
        self._store(request.resource_id, outputs)
        return p.UpdateResponse(properties=outputs)

    async def delete(self, request: p.DeleteRequest) -> None:
        """Take a box off the shelf."""
        self._note("delete", request.name, timeout=request.timeout)
        await self._work(request.properties, "delete")
        (self.folder / f"{request.resource_id}.json").unlink(missing_ok=True)
        self._note("deleted", request.name)

    async def invoke(self, request: p.InvokeRequest) -> p.InvokeResponse:
        """Answer with what was asked, or refuse."""
        if "forbidden" in request.args:
            return p.InvokeResponse(failures=[p.CheckFailure("forbidden", "not allowed")])
        return p.InvokeResponse({"heard": PropertyValue(dict(request.args))})

    async def _work(self, properties: Any, call: str) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        wish = properties.get("fail")
        if wish is not None and wish.value == call:
            message = f"the shelf refused to {call}"
            raise RuntimeError(message)

    def _store(self, box_id: str, outputs: Any) -> None:
        path = self.folder / f"{box_id}.json"
        path.write_text(json.dumps({key: plain(value) for key, value in outputs.items()}))

    def _note(self, call: str, name: str, **more: Any) -> None:
        line = json.dumps({"call": call, "name": name, "at": time.monotonic(), **more})
        handle = os.open(self.folder / "calls.log", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
