"""The smarthost: the one way out, with a login, over TLS."""

from collections.abc import Iterator

from policies.model import Area, Finding, Resource, Severity, secret_texts
from policies.registry import in_area
from policies.stack import FILE, Stack
from readers import postfix
from readers.mistake import MistakeError

rule = in_area(Area.SMARTHOST)

_EXTRA = "data/conf/postfix/extra.cf"
_LOGIN = "data/conf/postfix/smarthost_passwd"
_TLS = "data/conf/postfix/smarthost_tls_policy"
_INSIDE = "/opt/postfix/conf/"
_BYPASSES = (
    "smtp_fallback_relay", "fallback_transport", "default_transport", "relay_transport",
    "transport_maps", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps",
    "fallback_relay", "best_mx_transport",
)  # fmt: skip


def nexthop(stack: Stack) -> str:
    """Return the declared smarthost as Postfix writes it."""
    return str(stack.names.nexthop)


def _resource(stack: Stack, path: str) -> Resource | None:
    file = stack.mailcow_file(path)
    return file.resource if file else None


def _entries(stack: Stack, path: str) -> dict[str, str]:
    """Return a map of Postfix's by key."""
    file = stack.mailcow_file(path)
    return postfix.table(file.text) if file and file.text else {}


def _known(stack: Stack, path: str) -> bool:
    file = stack.mailcow_file(path)
    return file is not None and file.text is not None


@rule(
    "relay-is-smarthost",
    Severity.CRITICAL,
    protects="Every outbound message, bounces too, leaves through the declared smarthost.",
    reason="Mail that leaves directly comes from an address that no SPF record names, unsigned.",
    source="https://www.postfix.org/postconf.5.html#relayhost",
    remedy="set relayhost to the smarthost, in brackets and with its port",
)
def _relay(stack: Stack) -> Iterator[Finding]:
    if not stack.postfix:
        return
    resource = _resource(stack, _EXTRA)
    given = stack.postfix.get("relayhost", "")
    if given != nexthop(stack):
        shown = given or "nobody, so mail is delivered directly"
        yield Finding(f"relayhost is {shown}", "mail:smarthost.provider", resource, given)


@rule(
    "relay-without-bypass",
    Severity.CRITICAL,
    protects="Nothing sends mail past the smarthost.",
    reason="One transport or fall-back is enough for direct delivery by accident.",
    source="https://www.postfix.org/postconf.5.html#smtp_fallback_relay",
    remedy="take the parameter or the object out",
)
def _bypass(stack: Stack) -> Iterator[Finding]:
    key = "mail:smarthost"
    for name, value in stack.postfix.items():
        if name in _BYPASSES and value:
            message = f"extra.cf sets {name}, a way past the smarthost"
            yield Finding(message, key, _resource(stack, _EXTRA), f"{name} = {value}")
    for resource in stack.of_type("mailcow:index:Relayhost", "mailcow:index:Transport"):
        hop = stack.text(resource, "hostname") or stack.text(resource, "nexthop")
        if hop != nexthop(stack):
            yield Finding(f"{resource.name} sends mail to {hop or 'nobody'}", key, resource, hop)
    for resource in stack.of_type("mailcow:index:Domain", "mailcow:index:Mailbox"):
        given = stack.text(resource, "relayhost") or "0"
        if given not in ("0", "0.0") and not stack.of_type("mailcow:index:Relayhost"):
            yield Finding(
                f"{resource.name} has the relayhost {given} of its own", key, resource, given
            )


@rule(
    "relay-tls-mandatory",
    Severity.CRITICAL,
    protects="The login and the mail reach the smarthost over TLS, with its name verified.",
    reason="Opportunistic TLS falls back to clear text as soon as somebody in between wishes.",
    source="RFC 8314 section 4; https://www.postfix.org/TLS_README.html#client_tls_secure",
    remedy="keep the policy `secure` for the smarthost, in the first of the policy maps",
)
def _tls(stack: Stack) -> Iterator[Finding]:
    parameters = stack.postfix
    key = "mail:smarthost"
    if stack.postfix:
        first = parameters.get("smtp_tls_policy_maps", "").split(",")[0].strip()
        if first.rpartition(":")[2] != f"{_INSIDE}{_TLS.rpartition('/')[2]}":
            message = "the TLS policy of the smarthost is not the first that Postfix reads"
            yield Finding(message, key, _resource(stack, _EXTRA), first)
        level = parameters.get("smtp_tls_security_level", "")
        if level == "none" or parameters.get("smtp_use_tls") == "no":
            message = "TLS is switched off for outbound mail"
            yield Finding(message, key, _resource(stack, _EXTRA), level)
        if _known(stack, _TLS):
            yield from _begins_rightly(stack)
    if _known(stack, _TLS):
        policy = _entries(stack, _TLS).get(nexthop(stack), "")
        if not postfix.tls_policy(policy).verifies(postfix.hop(nexthop(stack)).host):
            message = f"the TLS policy of {nexthop(stack)} is {policy or 'missing'}"
            yield Finding(message, key, _resource(stack, _TLS), policy)


def _begins_rightly(stack: Stack) -> Iterator[Finding]:
    """Yield where TLS does not begin as the smarthost expects it on its port."""
    resource, key = _resource(stack, _EXTRA), "mail:smarthost.port"
    declared = stack.names.nexthop.implicit_tls
    policy = _entries(stack, _TLS).get(nexthop(stack), "")
    level = policy or stack.postfix.get("smtp_tls_security_level", "")
    try:
        wraps = postfix.wraps(stack.postfix, postfix.tls_policy(level).level)
    except MistakeError as error:
        yield Finding(str(error), key, resource, str(error))
        return
    if wraps != declared:
        begins = "with the first byte" if declared else "by STARTTLS"
        message = f"TLS begins {begins} at {nexthop(stack)}, and Postfix begins it the other way"
        yield Finding(message, key, resource, stack.postfix.get("smtp_tls_wrappermode", "no"))


@rule(
    "postfix-as-declared",
    Severity.CRITICAL,
    protects="Postfix's own file sets what follows from the declaration, and nothing else.",
    reason="One more parameter is enough for a filter, a copy, an open relay or a login in clear.",
    source="https://www.postfix.org/postconf.5.html",
    remedy="take the parameter out of extra.cf, or let the component write the file again",
    yields=True,
)
def _as_declared(stack: Stack) -> Iterator[Finding]:
    file, key = stack.mailcow_file(_EXTRA), "mail:smarthost"
    if file is None or file.text is None:
        return
    try:
        postfix.parameters(file.text)
    except MistakeError as error:
        yield Finding(f"Postfix cannot read extra.cf: {error}", key, file.resource)
        return
    for name, value in stack.postfix.items():
        allowed = _allowed(stack).get(name)
        if allowed is None:
            message = f"extra.cf sets {name}, which follows from no declaration"
        elif (
            value
            and {*postfix.words(value)} <= {*allowed}
            and (name != "mynetworks" or postfix.words(value) == [*allowed])
        ):
            continue
        else:
            message = f"extra.cf sets {name} to {value}, and {', '.join(allowed)} is declared"
        yield Finding(message, key, file.resource, name)
    for name in _allowed(stack).keys() - _OPTIONAL - stack.postfix.keys():
        yield Finding(f"extra.cf does not set {name}", key, file.resource, name)
    for path in (_TLS, _LOGIN):
        for entry in _entries(stack, path).keys() - {nexthop(stack)}:
            message = f"{path.rpartition('/')[2]} has an entry for {entry}, which nobody declared"
            yield Finding(message, key, _resource(stack, path), entry)


_OPTIONAL = {"smtp_tls_security_level", "smtp_tls_loglevel"}


def _allowed(stack: Stack) -> dict[str, tuple[str, ...]]:
    """Return the parameters that follow from the declaration, each with the words it may hold."""
    declaration = stack.declaration
    implicit = stack.names.nexthop.implicit_tls
    sql = f"proxy:mysql:{_INSIDE}sql/mysql"
    return {
        "myhostname": (stack.names.mail_host,),
        "inet_protocols": ("all" if declaration.ipv6 else "ipv4",),
        # As a whole: what an exclamation mark keeps out stands before the network that it is of.
        "mynetworks": stack.names.senders,
        "relayhost": (nexthop(stack),),
        "myorigin": (declaration.domain,),
        "notify_classes": ("resource", "software", "2bounce", "protocol", "bounce"),
        "smtp_sasl_auth_enable": ("yes",),
        "smtp_sasl_auth_soft_bounce": ("yes",),
        "smtp_sasl_password_maps": (
            f"texthash:{_INSIDE}{_LOGIN.rpartition('/')[2]}",
            f"{sql}_sasl_passwd_maps_sender_dependent.cf",
        ),
        "smtp_tls_policy_maps": (
            f"texthash:{_INSIDE}{_TLS.rpartition('/')[2]}",
            f"{sql}_tls_policy_override_maps.cf",
            "socketmap:inet:postfix-tlspol:8642:QUERY",
        ),
        "smtp_tls_security_level": ("encrypt", "dane-only", "verify", "secure"),
        "smtp_tls_loglevel": ("0", "1"),
        **({"smtp_tls_wrappermode": ("yes",)} if implicit else {}),
    }


@rule(
    "relay-login",
    Severity.CRITICAL,
    protects="Postfix logs in at the smarthost, as the user that it knows.",
    reason="Without a login the smarthost refuses everything, and mail waits in the queue.",
    source="RFC 4954; https://www.postfix.org/SASL_README.html#client_sasl",
    remedy="keep smtp_sasl_auth_enable and the map with the smarthost's entry",
)
def _login(stack: Stack) -> Iterator[Finding]:
    parameters, key = stack.postfix, "mail:smarthost"
    if stack.postfix:
        maps = parameters.get("smtp_sasl_password_maps", "")
        if parameters.get("smtp_sasl_auth_enable") != "yes":
            message = "smtp_sasl_auth_enable is not yes"
            yield Finding(message, key, _resource(stack, _EXTRA))
        elif f"{_INSIDE}{_LOGIN.rpartition('/')[2]}" not in maps:
            message = "smtp_sasl_password_maps does not name the smarthost's map"
            yield Finding(message, key, _resource(stack, _EXTRA), maps)
    if _known(stack, _LOGIN):
        user, _, password = _entries(stack, _LOGIN).get(nexthop(stack), "").partition(":")
        if user != stack.names.nexthop.user or not password:
            message = f"the map of logins has no entry of its user for {nexthop(stack)}"
            yield Finding(message, key, _resource(stack, _LOGIN))


@rule(
    "relay-credential-sealed",
    Severity.CRITICAL,
    protects="The password of the smarthost is secret in the program and closed on the host.",
    reason="Whoever has it sends mail as the company.",
    source="https://www.pulumi.com/docs/iac/concepts/secrets/",
    remedy="keep the content of the map a secret, and its mode at most 0640",
)
def _sealed(stack: Stack) -> Iterator[Finding]:
    file = stack.mailcow_file(_LOGIN)
    if file is None:
        return
    if not stack.sealed(file.resource, "content"):
        message = "the map with the smarthost's password is not a secret"
        yield Finding(message, "mail:smarthostPassword", file.resource)
    if file.mode & 0o007:
        message = f"the map with the smarthost's password has the mode {file.mode:04o}"
        yield Finding(message, "mail:smarthost", file.resource, f"{file.mode:04o}")


@rule(
    "relay-credential-own",
    Severity.HIGH,
    protects="The company's mail and each transactional sender have credentials of their own.",
    reason="A shared one cannot be taken back from one of them, and its reports mix both.",
    source="https://resend.com/docs/dashboard/api-keys/introduction",
    remedy="make a second credential; domain and selector may be shared",
)
def _own(stack: Stack) -> Iterator[Finding]:
    file = stack.mailcow_file(_LOGIN)
    password = _entries(stack, _LOGIN).get(nexthop(stack), "").partition(":")[2]
    if file is None or len(password) < 8:
        return
    for resource in stack.resources:
        if resource is file.resource or resource.type.startswith("pulumi:"):
            continue
        texts = [*secret_texts(stack.properties(resource))]
        if any(password in text for text in texts):
            message = f"{resource.name} uses the smarthost's credential too"
            yield Finding(message, "mail:smarthostPassword", resource)


@rule(
    "relay-before-start",
    Severity.CRITICAL,
    protects="The way out is there before any container starts, and the firewall too.",
    reason="The first messages would leave directly; Postfix reads its files when it starts.",
    source="https://docs.mailcow.email/manual-guides/Postfix/u_e-postfix-extra_cf/",
    remedy="let the start of the stack depend on these files",
)
def _before_start(stack: Stack) -> Iterator[Finding]:
    started = stack.starts()
    if not started:
        yield Finding("nothing starts the stack", "mail:mailcow.project", absent=True)
    needed = [
        resource
        for resource in stack.of_type(FILE)
        if stack.text(resource, "path").rpartition("/")[2]
        in ("extra.cf", "smarthost_passwd", "smarthost_tls_policy", "mailcow.conf", "nftables.nft",
            "docker-compose.override.yml")
    ]  # fmt: skip
    for start in started:
        for file in needed:
            if not stack.waits_for(start, file):
                message = f"the stack does not wait for {file.name}"
                yield Finding(message, "mail:smarthost", start, file.name)
