"""The two services that a Pulumi program speaks to: the resource monitor and the engine."""

# ruff: noqa: N802, ARG002 (names and arguments of the methods are the protocol's own)

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    alias_pb2,
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
    source_pb2,
)

from rehearsal.engine.deployment import Deployment
from rehearsal.engine.hooks import HookRefusedError, Moment
from rehearsal.engine.model import Goal, Severity
from rehearsal.engine.providers import ProviderFailedError
from rehearsal.engine.run import Report
from rehearsal.engine.standing import RefusedError
from rehearsal.engine.urn import AliasSpec
from rehearsal.engine.values import ValueRefusedError, from_struct, to_struct

_FEATURES = {
    "secrets": resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    "resourceReferences": resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    "outputValues": resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    "aliasSpecs": resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    "deletedWith": resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    "replaceWith": resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    "resourceHooks": resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
}
_SEVERITIES = {
    engine_pb2.DEBUG: Severity.DEBUG,
    engine_pb2.INFO: Severity.INFO,
    engine_pb2.WARNING: Severity.WARNING,
    engine_pb2.ERROR: Severity.ERROR,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Turns the program's messages into what the deployment is asked, and back."""

    def __init__(
        self, deployment: Deployment, info: resource_pb2.DeploymentInfo, project_folder: str
    ) -> None:
        """Serve one run of the program.

        Args:
            deployment: Carries out what is asked.
            info: What the program is told about the run, without its features.
            project_folder: Where the program lies; positions in it are noted relative to it.
        """
        self._deployment = deployment
        self._info = info
        self._info.supportedFeatures.extend(_FEATURES.values())
        self._folder = project_folder
        self.signalled = asyncio.Event()
        """Set once the program has nothing more to register."""
        self.released = asyncio.Event()
        """To be set once everything is done; the program ends then."""

    async def GetDeploymentInfo(
        self, request: empty_pb2.Empty, context: Context
    ) -> resource_pb2.DeploymentInfo:
        """Tell the program where it is."""
        return self._info

    async def SupportsFeature(
        self, request: resource_pb2.SupportsFeatureRequest, context: Context
    ) -> resource_pb2.SupportsFeatureResponse:
        """Tell the program what it may ask for, the older way."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    async def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: Context
    ) -> resource_pb2.RegisterResourceResponse:
        """Bring one resource to what the program asks for."""
        refused = _refused_options(request)
        if refused:
            await _refuse(context, f"{request.type} {request.name!r}: {refused}")
        try:
            goal = _goal(request, self._folder)
        except (ValueRefusedError, ValueError) as error:
            await _refuse(context, f"{request.type} {request.name!r}: {error}")
            raise
        made = await self._deployment.register(goal)
        # What was skipped is a failure to the program too: it goes on without the outputs.
        failed = made.failed or made.skipped
        result = resource_pb2.FAIL if failed else resource_pb2.SUCCESS
        return resource_pb2.RegisterResourceResponse(
            urn=made.urn, id=made.id, object=to_struct(made.outputs), result=result
        )

    async def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: Context
    ) -> empty_pb2.Empty:
        """Record what a component gives out."""
        try:
            await self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        except (RefusedError, ValueRefusedError) as error:
            await _refuse(context, str(error))
        return empty_pb2.Empty()

    async def ReadResource(
        self, request: resource_pb2.ReadResourceRequest, context: Context
    ) -> resource_pb2.ReadResourceResponse:
        """Look up a resource that the program does not manage."""
        goal = Goal(
            request.type,
            request.name,
            custom=True,
            inputs=from_struct(request.properties),
            parent=request.parent,
            dependencies=sorted(request.dependencies),
            provider=request.provider,
            version=request.version,
            additional_secret_outputs=list(request.additionalSecretOutputs),
            source_position=_position(request.sourcePosition, self._folder),
        )
        made = await self._deployment.read(goal, request.id)
        if made.failed:
            await _refuse(context, f"{request.type} {request.name!r} could not be read")
        return resource_pb2.ReadResourceResponse(urn=made.urn, properties=to_struct(made.outputs))

    async def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: Context
    ) -> resource_pb2.ResourceInvokeResponse:
        """Call a function of a provider."""
        try:
            answer = await self._deployment.invoke(
                request.tok, from_struct(request.args), request.provider, request.version
            )
        except (ProviderFailedError, ValueRefusedError) as error:
            await _refuse(context, f"{request.tok}: {error}")
            raise
        returned, failures = answer or ({}, [])
        return resource_pb2.ResourceInvokeResponse(
            **{"return": to_struct(returned)},
            failures=[
                provider_pb2.CheckFailure(property=one.property, reason=one.reason)
                for one in failures
            ],
        )

    async def StreamInvoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: Context
    ) -> AsyncIterator[provider_pb2.InvokeResponse]:
        """Refuse: no stand-in streams."""
        await _refuse(context, f"{request.tok}: streaming calls are not supported")
        yield provider_pb2.InvokeResponse()

    async def Call(
        self, request: resource_pb2.ResourceCallRequest, context: Context
    ) -> provider_pb2.CallResponse:
        """Refuse: methods belong to remote components."""
        await _refuse(context, f"{request.tok}: methods of resources are not supported")
        return provider_pb2.CallResponse()

    async def RegisterPackage(
        self, request: resource_pb2.RegisterPackageRequest, context: Context
    ) -> resource_pb2.RegisterPackageResponse:
        """Refuse: no stand-in is parameterized."""
        await _refuse(context, f"{request.name}: parameterized packages are not supported")
        return resource_pb2.RegisterPackageResponse()

    async def RegisterStackTransform(self, request: Any, context: Context) -> empty_pb2.Empty:
        """Refuse: the program would have to be called back."""
        await _refuse(context, "transforms are not supported")
        return empty_pb2.Empty()

    RegisterStackInvokeTransform = RegisterStackTransform

    async def RegisterResourceHook(
        self, request: resource_pb2.RegisterResourceHookRequest, context: Context
    ) -> empty_pb2.Empty:
        """Take up a function that the program wants called around a resource's steps."""
        try:
            self._deployment.hooks.register(request)
        except HookRefusedError as error:
            await _refuse(context, str(error))
        return empty_pb2.Empty()

    async def RegisterErrorHook(self, request: Any, context: Context) -> empty_pb2.Empty:
        """Refuse: nothing is tried again within one run."""
        await _refuse(context, f"{request.name}: error hooks are not supported")
        return empty_pb2.Empty()

    async def SignalAndWaitForShutdown(
        self, request: empty_pb2.Empty, context: Context
    ) -> empty_pb2.Empty:
        """Keep the program until everything is done."""
        self.signalled.set()
        await self.released.wait()
        return empty_pb2.Empty()


class EngineService(engine_pb2_grpc.EngineServicer):
    """Takes the program's messages to the operator."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._root = ""

    async def Log(self, request: engine_pb2.LogRequest, context: Context) -> empty_pb2.Empty:
        """Pass a message on."""
        severity = _SEVERITIES.get(request.severity, Severity.INFO)
        self._report.say(severity, request.message, request.urn)
        return empty_pb2.Empty()

    async def GetRootResource(
        self, request: engine_pb2.GetRootResourceRequest, context: Context
    ) -> engine_pb2.GetRootResourceResponse:
        """Name the stack's resource."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    async def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: Context
    ) -> engine_pb2.SetRootResourceResponse:
        """Note the stack's resource."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def StartDebugging(
        self, request: engine_pb2.StartDebuggingRequest, context: Context
    ) -> empty_pb2.Empty:
        """Note nothing: who debugs knows it."""
        return empty_pb2.Empty()

    async def RequirePulumiVersion(
        self, request: engine_pb2.RequirePulumiVersionRequest, context: Context
    ) -> engine_pb2.RequirePulumiVersionResponse:
        """Accept: a range of the CLI's versions says nothing about this engine."""
        return engine_pb2.RequirePulumiVersionResponse()


async def _refuse(context: Context, message: str) -> None:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)


def _refused_options(request: resource_pb2.RegisterResourceRequest) -> str:
    """Return which option of a registration this engine does not carry out, or nothing."""
    refused = {
        "remote components are not supported": request.remote,
        "transforms are not supported": bool(request.transforms),
        "state migrations are not supported": bool(request.state_migrations),
        "error hooks are not supported": bool(request.hooks.on_error),
        "parameterized packages are not supported": bool(request.packageRef),
        "replacement triggers are not supported": request.HasField("replacement_trigger"),
    }
    return "; ".join(reason for reason, asked in refused.items() if asked)


def _goal(request: resource_pb2.RegisterResourceRequest, folder: str) -> Goal:
    before = request.deleteBeforeReplace
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=from_struct(request.object),
        parent=request.parent,
        protect=request.protect if request.HasField("protect") else None,
        dependencies=sorted(request.dependencies),
        property_dependencies={
            key: sorted(value.urns) for key, value in sorted(request.propertyDependencies.items())
        },
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
        download_url=request.pluginDownloadURL,
        delete_before_replace=before if request.deleteBeforeReplaceDefined or before else None,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        aliases=[
            *(AliasSpec(urn=urn) for urn in request.aliasURNs),
            *(_alias(alias) for alias in request.aliases),
        ],
        import_id=request.importId,
        custom_timeouts=_timeouts(request.customTimeouts),
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        deleted_with=request.deletedWith,
        replace_with=list(request.replace_with),
        resource_hooks=_hooks(request.hooks),
        source_position=_position(request.sourcePosition, folder),
    )


def _hooks(
    binding: resource_pb2.RegisterResourceRequest.ResourceHooksBinding,
) -> dict[str, list[str]]:
    bound = {
        Moment.AFTER_CREATE: binding.after_create,
        Moment.AFTER_DELETE: binding.after_delete,
        Moment.AFTER_UPDATE: binding.after_update,
        Moment.BEFORE_CREATE: binding.before_create,
        Moment.BEFORE_DELETE: binding.before_delete,
        Moment.BEFORE_UPDATE: binding.before_update,
    }
    return {moment.value: list(names) for moment, names in bound.items() if names}


def _alias(alias: alias_pb2.Alias) -> AliasSpec:
    if alias.WhichOneof("alias") == "urn":
        return AliasSpec(urn=alias.urn)
    spec = alias.spec
    return AliasSpec(
        name=spec.name or None,
        type=spec.type or None,
        stack=spec.stack or None,
        project=spec.project or None,
        parent=spec.parentUrn or None,
        no_parent=spec.noParent,
    )


def _timeouts(message: resource_pb2.RegisterResourceRequest.CustomTimeouts) -> dict[str, float]:
    given = {name: seconds(getattr(message, name)) for name in ("create", "update", "delete")}
    return {name: value for name, value in given.items() if value}


def seconds(text: str) -> float:
    """Return the seconds in a duration such as `1h30m`; 0 for an empty one.

    Raises:
        ValueError: it is not a duration.
    """
    parts = _DURATION.findall(text)
    if "".join(amount + unit for amount, unit in parts) != text:
        message = f"{text!r} is not a duration such as 5m or 1h30m"
        raise ValueError(message)
    return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)


def _position(position: source_pb2.SourcePosition, folder: str) -> str:
    """Return where in the program a resource is asked for, relative to its folder."""
    if not position.uri.startswith("file:"):
        return ""
    path = PurePosixPath(unquote(urlsplit(position.uri).path))
    if not path.is_relative_to(folder):
        return ""
    return f"project:///{path.relative_to(folder)}#{position.line}"
