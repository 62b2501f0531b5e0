"""Which settings a unit file may hold, and what their values look like (systemd 252)."""

import re
from collections.abc import Callable

from readers.systemd.calendar import span

_KNOWN = """\
Install OTHER: Alias Also DefaultInstance RequiredBy WantedBy
Path BOOLEAN: MakeDirectory
Path MODE: DirectoryMode
Path PATH: DirectoryNotEmpty PathChanged PathExists PathExistsGlob PathModified
Path SECONDS: TriggerLimitIntervalSec
Path UNIT: Unit
Path UNSIGNED: TriggerLimitBurst
Service ACCESS: NotifyAccess
Service ACTION: FailureAction StartLimitAction
Service ARCHS: SystemCallArchitectures
Service BANDWIDTH: BlockIOReadBandwidth BlockIOWriteBandwidth
Service BOOLEAN: BlockIOAccounting CPUAccounting CPUSchedulingResetOnFork DynamicUser GuessMainPID
  IOAccounting IPAccounting IgnoreSIGPIPE LockPersonality MemoryAccounting MemoryDenyWriteExecute
  NoNewPrivileges NonBlocking PermissionsStartOnly PrivateDevices PrivateIPC PrivateMounts
  PrivateNetwork PrivateTmp PrivateUsers ProtectClock ProtectControlGroups ProtectHostname
  ProtectKernelLogs ProtectKernelModules ProtectKernelTunables RemainAfterExit RemoveIPC
  RestrictRealtime RestrictSUIDSGID RootDirectoryStartOnly SendSIGHUP SendSIGKILL
  SyslogLevelPrefix TTYReset TTYVHangup TTYVTDisallocate TasksAccounting
Service BOUNDINGSET: AmbientCapabilities CapabilityBoundingSet
Service CPUAFFINITY: CPUAffinity
Service CPUSCHEDPOLICY: CPUSchedulingPolicy
Service CPUSCHEDPRIO: CPUSchedulingPriority
Service CPUWEIGHT: CPUWeight StartupCPUWeight
Service DEVICE: DeviceAllow
Service DEVICELATENCY: IODeviceLatencyTargetSec
Service DEVICEWEIGHT: BlockIODeviceWeight IODeviceWeight
Service ENVIRON: Environment
Service ERRNO: SystemCallErrorNumber
Service FACILITY: SyslogFacility
Service FAMILIES: RestrictAddressFamilies
Service FILE: EnvironmentFile
Service FILESYSTEMS: RestrictFileSystems
Service INPUT: StandardInput
Service IOCLASS: IOSchedulingClass
Service IOPRIORITY: IOSchedulingPriority
Service KILLMODE: KillMode
Service LABEL: SELinuxContext
Service LEVEL: LogLevelMax SyslogLevel
Service LIMIT: DefaultMemoryLow DefaultMemoryMin IOReadBandwidthMax IOReadIOPSMax
  IOWriteBandwidthMax IOWriteIOPSMax LimitAS LimitCORE LimitCPU LimitDATA LimitFSIZE LimitLOCKS
  LimitMEMLOCK LimitMSGQUEUE LimitNICE LimitNOFILE LimitNPROC LimitRSS LimitRTPRIO LimitRTTIME
  LimitSIGPENDING LimitSTACK MemoryHigh MemoryLimit MemoryLow MemoryMax MemoryMin MemorySwapMax
Service MODE: CacheDirectoryMode ConfigurationDirectoryMode LogsDirectoryMode RuntimeDirectoryMode
  StateDirectoryMode UMask
Service MOUNTFLAG [...]: MountFlags
Service NAMESPACES: RestrictNamespaces
Service NANOSECONDS: TimerSlackNSec
Service NICE: Nice
Service OOMSCOREADJUST: OOMScoreAdjust
Service OTHER: AllowedCPUs AllowedMemoryNodes AppArmorProfile BPFProgram BusName CPUQuota
  CPUQuotaPeriodSec CacheDirectory ConfigurationDirectory CoredumpFilter Delegate
  DisableControllers ExtensionImages Group IPAddressAllow IPAddressDeny IPEgressFilterPath
  IPIngressFilterPath KeyringMode LoadCredential LoadCredentialEncrypted LogExtraFields
  LogNamespace LogsDirectory ManagedOOMMemoryPressure ManagedOOMMemoryPressureLimit
  ManagedOOMPreference ManagedOOMSwap MountAPIVFS MountImages NUMAMask NUMAPolicy OOMPolicy
  PIDFile PassEnvironment ProcSubset ProtectHome ProtectProc ProtectSystem
  RestrictNetworkInterfaces RootHash RootHashSignature RootImageOptions RuntimeDirectory
  RuntimeDirectoryPreserve SetCredential SetCredentialEncrypted SmackProcessLabel SocketBindAllow
  SocketBindDeny StandardInputData StandardInputText StartupAllowedCPUs StartupAllowedMemoryNodes
  StateDirectory SupplementaryGroups TTYColumns TTYRows TasksMax TemporaryFileSystem
  TimeoutAbortSec TimeoutStopSec UnsetEnvironment User UtmpMode WorkingDirectory
Service OUTPUT: StandardError StandardOutput
Service PATH: ExecSearchPath IPCNamespacePath NetworkNamespacePath RootDirectory RootImage
  RootVerity TTYPath USBFunctionDescriptors USBFunctionStrings
Service PATH [...]: ExecPaths ExtensionDirectories InaccessibleDirectories InaccessiblePaths
  NoExecPaths ReadOnlyDirectories ReadOnlyPaths ReadWriteDirectories ReadWritePaths
Service PATH [ARGUMENT [...]]: ExecCondition ExecReload ExecStart ExecStartPost ExecStartPre
  ExecStop ExecStopPost
Service PATH[:PATH[:OPTIONS]] [...]: BindPaths BindReadOnlyPaths
Service PERSONALITY: Personality
Service POLICY: DevicePolicy
Service SECONDS: LogRateLimitIntervalSec RestartSec RuntimeMaxSec RuntimeRandomizedExtraSec
  StartLimitInterval TimeoutCleanSec TimeoutSec TimeoutStartSec WatchdogSec
Service SECUREBITS: SecureBits
Service SERVICEEXITTYPE: ExitType
Service SERVICERESTART: Restart
Service SERVICETYPE: Type
Service SHARES: CPUShares StartupCPUShares
Service SIGNAL: FinalKillSignal KillSignal RestartKillSignal WatchdogSignal
Service SLICE: Slice
Service SOCKETS: Sockets
Service STATUS: RestartForceExitStatus RestartPreventExitStatus SuccessExitStatus
Service STRING: PAMName RebootArgument SyslogIdentifier UtmpIdentifier
Service SYSCALLS: SystemCallFilter SystemCallLog
Service TIMEOUTMODE: TimeoutStartFailureMode TimeoutStopFailureMode
Service UNSIGNED: FileDescriptorStoreMax LogRateLimitBurst StartLimitBurst
Service WEIGHT: BlockIOWeight IOWeight StartupBlockIOWeight StartupIOWeight
Timer BOOLEAN: FixedRandomDelay OnClockChange OnTimezoneChange Persistent RemainAfterElapse
  WakeSystem
Timer SECONDS: AccuracySec RandomizedDelaySec
Timer TIMER: OnActiveSec OnBootSec OnCalendar OnStartupSec OnUnitActiveSec OnUnitInactiveSec
Timer UNIT: Unit
Unit ACTION: FailureAction JobTimeoutAction StartLimitAction SuccessAction
Unit BOOLEAN: AllowIsolate DefaultDependencies IgnoreOnIsolate OnFailureIsolate RefuseManualStart
  RefuseManualStop StopWhenUnneeded
Unit CONDITION: AssertACPower AssertArchitecture AssertCPUFeature AssertCPUPressure AssertCPUs
  AssertCapability AssertControlGroupController AssertCredential AssertDirectoryNotEmpty
  AssertEnvironment AssertFileIsExecutable AssertFileNotEmpty AssertFirstBoot AssertGroup
  AssertHost AssertIOPressure AssertKernelCommandLine AssertKernelVersion AssertMemory
  AssertMemoryPressure AssertNeedsUpdate AssertOSRelease AssertPathExists AssertPathExistsGlob
  AssertPathIsDirectory AssertPathIsEncrypted AssertPathIsMountPoint AssertPathIsReadWrite
  AssertPathIsSymbolicLink AssertSecurity AssertUser AssertVirtualization ConditionACPower
  ConditionArchitecture ConditionCPUFeature ConditionCPUPressure ConditionCPUs ConditionCapability
  ConditionControlGroupController ConditionCredential ConditionDirectoryNotEmpty
  ConditionEnvironment ConditionFileIsExecutable ConditionFileNotEmpty ConditionFirmware
  ConditionFirstBoot ConditionGroup ConditionHost ConditionIOPressure ConditionKernelCommandLine
  ConditionKernelVersion ConditionMemory ConditionMemoryPressure ConditionNeedsUpdate
  ConditionOSRelease ConditionPathExists ConditionPathExistsGlob ConditionPathIsDirectory
  ConditionPathIsEncrypted ConditionPathIsMountPoint ConditionPathIsReadWrite
  ConditionPathIsSymbolicLink ConditionSecurity ConditionUser ConditionVirtualization
Unit MODE: OnFailureJobMode OnSuccessJobMode
Unit OTHER: CollectMode FailureActionExitStatus JobRunningTimeoutSec JobTimeoutRebootArgument
  JobTimeoutSec RebootArgument RequiresOverridable RequisiteOverridable SuccessActionExitStatus
Unit PATH: SourcePath
Unit PATH [...]: RequiresMountsFor
Unit SECONDS: StartLimitInterval StartLimitIntervalSec
Unit STRING: Description
Unit UNIT [...]: After Before BindTo BindsTo Conflicts JoinsNamespaceOf OnFailure OnSuccess PartOf
  PropagateReloadFrom PropagateReloadTo PropagatesReloadTo PropagatesStopTo ReloadPropagatedFrom
  Requires Requisite StopPropagatedFrom Upholds Wants
Unit UNSIGNED: StartLimitBurst
Unit URL: Documentation
"""
"""Section and kind of value, then the settings; from `systemd --dump-configuration-items`."""

TRUE = frozenset({"1", "yes", "y", "true", "t", "on"})
_BOOLEAN = TRUE | {"0", "no", "n", "false", "f", "off"}
_CHOICES = {
    "ProtectSystem": _BOOLEAN | {"full", "strict"},
    "ProtectHome": _BOOLEAN | {"read-only", "tmpfs"},
    "ProtectProc": {"noaccess", "invisible", "ptraceable", "default"},
    "ProcSubset": {"all", "pid"},
    "KeyringMode": {"inherit", "private", "shared"},
    "Restart": {"no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort",
                "always"},
    "IOSchedulingClass": {"none", "realtime", "best-effort", "idle", "0", "1", "2", "3"},
    "KillMode": {"control-group", "process", "mixed", "none"},
    "Type": {"simple", "exec", "forking", "oneshot", "dbus", "notify", "idle"},
}  # fmt: skip
"""Values of settings whose kind does not tell them."""
_LOWERED = ("ProtectSystem", "ProtectHome")
_FAMILIES = re.compile(r"none|~?(?:AF_[A-Z0-9_]+\s*)*")
_CAPABILITIES = """\
AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE
DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE
MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG
SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE
SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
"""
CAPABILITIES = frozenset(f"CAP_{name}" for name in _CAPABILITIES.split())
"""What root may do, piece by piece (capabilities(7))."""


def _whole(lowest: int, highest: int) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        return re.fullmatch(r"[-+]?\d+", value) is not None and lowest <= int(value) <= highest

    return fits


def _is_span(value: str) -> bool:
    return span(value) is not None


_PATHS = re.compile(
    r"(?:Condition|Assert)(?:Path.*|DirectoryNotEmpty|FileNotEmpty|FileIsExecutable|NeedsUpdate)"
)


_KINDS: dict[str, Callable[[str], object]] = {
    "BOOLEAN": lambda value: value.lower() in _BOOLEAN,
    "SECONDS": _is_span,
    "MODE": lambda value: re.fullmatch(r"0*[0-7]{1,4}", value),
    "NICE": _whole(-20, 19),
    "IOPRIORITY": _whole(0, 7),
    "OOMSCOREADJUST": _whole(-1000, 1000),
    "UNSIGNED": _whole(0, 2**32 - 1),
    "FAMILIES": _FAMILIES.fullmatch,
}


def _table() -> dict[tuple[str, str], str]:
    known = {}
    for line in _KNOWN.replace("\n  ", " ").splitlines():
        head, _, names = line.rpartition(": ")
        section, kind = head.split(" ", 1)
        known.update({(section, name): kind for name in names.split()})
    return known


_TABLE = _table()
SECTIONS = frozenset(section for section, _ in _TABLE)
"""Sections of the kinds of unit that are known here."""


def known(section: str) -> set[str]:
    """Return the settings of a section."""
    return {name for place, name in _TABLE if place == section}


def mistake(section: str, name: str, value: str) -> str | None:
    """Return what systemd says of an assignment that it ignores, None if it takes it.

    Args:
        section: Such as `Service`; a section that begins with `X-` is nobody's business.
        name: The setting.
        value: Its value; an empty one takes back those before it.
    """
    if section.startswith("X-") or name.startswith("X-"):
        return None
    if section not in SECTIONS:
        return f"Unknown section '{section}'. Ignoring."
    kind = _TABLE.get((section, name))
    if kind is None:
        return f"Unknown key '{name}' in section [{section}], ignoring."
    is_span = kind == "TIMER" and name != "OnCalendar"
    fits = _KINDS.get("SECONDS" if is_span else kind)
    choices = _CHOICES.get(name)
    chosen = value.lower() if name in _LOWERED else value
    wrong = bool(value) and (
        (choices is not None and chosen not in choices) or (fits is not None and not fits(value))
    )
    if _PATHS.fullmatch(name) and value and not value.lstrip("|!").startswith("/"):
        return f"{name}= path is not absolute, ignoring: {value}"
    return f"Failed to parse {name}= value, ignoring: {value}" if wrong else None


def is_when(section: str, name: str) -> bool:
    """Tell whether a setting is one of those that an empty one of them all takes back."""
    return _TABLE.get((section, name)) == "TIMER"
