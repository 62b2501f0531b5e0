"""The two services that a Pulumi program speaks to: the resource monitor and the engine."""

# ruff: noqa: N802, ARG002 (names and arguments of the methods are the protocol's own)

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import grpc
from google.protobuf import empty_pb2
from pulumi.provider.experimental.property_value import PropertyValue
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
from rehearsal.engine.hooks import BEFORE_UPDATE, HookRefusedError
from rehearsal.engine.model import LEFT_OUT, Goal, ResourceState, Severity
from rehearsal.engine.providers import ProviderFailedError
from rehearsal.engine.run import Report
from rehearsal.engine.steps import RefusedError
from rehearsal.engine.urn import AliasSpec, Names
from rehearsal.engine.values import ValueRefusedError

_FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    # Said to be known, so that the program asks for them and is refused in our own words.
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
)
_SEVERITIES = {
    engine_pb2.DEBUG: Severity.DEBUG,
    engine_pb2.INFO: Severity.INFO,
    engine_pb2.WARNING: Severity.WARNING,
    engine_pb2.ERROR: Severity.ERROR,
}

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


def _left_out(what: str) -> Callable[..., Awaitable[Any]]:
    """Return a method of the protocol that is refused by name."""

    async def refuse(self: "Monitor", request: Any, context: Context) -> None:
        name = getattr(request, "name", "") or getattr(request, "tok", "") or "the program"
        await self.refuse(context, f"{name} asks for {what}; {LEFT_OUT}")

    return refuse


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Turns the program's messages into what the deployment is asked, and back."""

    def __init__(
        self,
        deployment: Deployment,
        report: Report,
        names: Names,
        info: resource_pb2.DeploymentInfo,
        project_folder: str,
    ) -> None:
        """Serve one run of the program.

        Args:
            deployment: Carries out what is asked.
            report: Takes what is refused.
            names: Builds the stack's URNs.
            info: What the program is told about the run, without its features.
            project_folder: Where the program lies; positions in it are noted relative to it.
        """
        self._deployment = deployment
        self._report = report
        self._names = names
        self._info = info
        self._info.supportedFeatures.extend(_FEATURES)
        self._folder = project_folder
        self.signalled = asyncio.Event()
        """Set once the program has nothing more to register."""
        self.released = asyncio.Event()
        """To be set once everything is done; the program ends then."""

    async def refuse(self, context: Context, message: str) -> None:
        """Refuse a call, and say so to the operator."""
        self._report.refuse(message)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)

    async def GetDeploymentInfo(
        self, request: empty_pb2.Empty, context: Context
    ) -> resource_pb2.DeploymentInfo:
        """Tell the program where it is."""
        return self._info

    async def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: Context
    ) -> resource_pb2.RegisterResourceResponse:
        """Bring one resource to what the program asks for."""
        urn = self._names.urn(request.parent, request.type, request.name)
        asked = _refused_options(request)
        try:
            goal = self._goal(request, urn)
        except (ValueError, AssertionError) as error:
            asked = str(error)
        if asked:
            message = f"{request.type} {request.name!r} asks for {asked}; {LEFT_OUT}"
            made = self._deployment.refuse(urn, message)
        else:
            made = await self._deployment.register(goal)
        # What was skipped is a failure to the program too: it goes on without the outputs.
        result = resource_pb2.FAIL if made.failed else resource_pb2.SUCCESS
        outputs = PropertyValue.marshal_map(dict(made.outputs))
        return resource_pb2.RegisterResourceResponse(
            urn=made.urn, id=made.id, object=outputs, result=result
        )

    def _goal(self, request: resource_pb2.RegisterResourceRequest, urn: str) -> Goal:
        before = request.deleteBeforeReplace
        hooks = list(request.hooks.before_update)
        aliases = [
            *(AliasSpec(urn=urn) for urn in request.aliasURNs),
            *(_alias(alias) for alias in request.aliases),
        ]
        state = ResourceState(
            urn=urn,
            type=request.type,
            custom=request.custom,
            inputs=PropertyValue.unmarshal_map(request.object),
            parent=request.parent,
            protect=request.protect,
            dependencies=sorted(request.dependencies),
            property_dependencies={
                key: sorted(value.urns)
                for key, value in sorted(request.propertyDependencies.items())
            },
            provider=request.provider,
            additional_secret_outputs=list(request.additionalSecretOutputs),
            aliases=[alias.urn for alias in aliases if alias.urn],
            replace_on_changes=list(request.replaceOnChanges),
            ignore_changes=list(request.ignoreChanges),
            resource_hooks={BEFORE_UPDATE: hooks} if hooks else {},
            source_position=_position(request.sourcePosition, self._folder),
        )
        return Goal(
            state,
            aliases=aliases,
            version=request.version,
            download_url=request.pluginDownloadURL,
            delete_before_replace=before if request.deleteBeforeReplaceDefined or before else None,
        )

    async def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: Context
    ) -> empty_pb2.Empty:
        """Record what a component gives out."""
        try:
            self._deployment.register_outputs(
                request.urn, PropertyValue.unmarshal_map(request.outputs)
            )
        except (RefusedError, ValueRefusedError) as error:
            await self.refuse(context, str(error))
        return empty_pb2.Empty()

    async def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: Context
    ) -> resource_pb2.ResourceInvokeResponse:
        """Call a function of a provider."""
        arguments = PropertyValue.unmarshal_map(request.args)
        try:
            answer = await self._deployment.invoke(
                request.tok, arguments, request.provider, request.version
            )
        except ProviderFailedError as error:
            await self.refuse(context, f"{request.tok}: {error}")
            raise
        returned, failures = answer or ({}, [])
        return resource_pb2.ResourceInvokeResponse(
            **{"return": PropertyValue.marshal_map(returned)},
            failures=[
                provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
                for failure in failures
            ],
        )

    ReadResource = _left_out("a resource that it does not manage (`get`)")
    Call = _left_out("a method of a remote component")
    RegisterPackage = _left_out("a parameterized package")
    RegisterStackTransform = _left_out("a transform")
    RegisterStackInvokeTransform = _left_out("a transform")
    RegisterErrorHook = _left_out("an error hook")

    async def RegisterResourceHook(
        self, request: resource_pb2.RegisterResourceHookRequest, context: Context
    ) -> empty_pb2.Empty:
        """Take up a function that the program wants called before a resource is updated."""
        try:
            self._deployment.steps.hooks.register(request)
        except HookRefusedError as error:
            await self.refuse(context, str(error))
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
        """Pass them to a report."""
        self._report = report

    async def Log(self, request: engine_pb2.LogRequest, context: Context) -> empty_pb2.Empty:
        """Pass a message on, unless it repeats what the program was refused."""
        if any(message in request.message for message in self._report.refused):
            return empty_pb2.Empty()
        severity = _SEVERITIES.get(request.severity, Severity.INFO)
        self._report.say(severity, request.message, request.urn)
        return empty_pb2.Empty()


def _refused_options(request: resource_pb2.RegisterResourceRequest) -> str:
    """Return which option of a registration this engine does not carry out, or nothing."""
    hooks, times = request.hooks, request.customTimeouts
    refused = {
        "a remote component": request.remote,
        "a transform": bool(request.transforms),
        "a state migration": bool(request.state_migrations),
        "a hook other than before_update": any(
            (hooks.before_create, hooks.after_create, hooks.after_update, hooks.before_delete,
             hooks.after_delete, hooks.on_error)
        ),
        "a parameterized package": bool(request.packageRef),
        "a replacement trigger": request.HasField("replacement_trigger"),
        "ignore_changes of a path inside a property": any(
            not path.isidentifier() for path in request.ignoreChanges
        ),
        "import_": bool(request.importId),
        "retain_on_delete": request.retainOnDelete,
        "deleted_with": bool(request.deletedWith),
        "replace_with": bool(request.replace_with),
        "custom_timeouts": any((times.create, times.update, times.delete)),
    }  # fmt: skip
    return ", ".join(option for option, asked in refused.items() if asked)


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


def _position(position: source_pb2.SourcePosition, folder: str) -> str:
    """Return where in the program a resource is asked for, relative to its folder."""
    if not position.uri.startswith("file:"):
        return ""
    path = PurePosixPath(unquote(urlsplit(position.uri).path))
    if not path.is_relative_to(folder):
        return ""
    return f"project:///{path.relative_to(folder)}#{position.line}"
