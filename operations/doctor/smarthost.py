"""The smarthost: is the domain verified, is its key the declared one, does the login work?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from operations.doctor.host import knock
from operations.doctor.looking import Look, only_real
from operations.prove.findings import failed, passed, warned
from operations.prove.model import Finding
from operations.prove.net import TIMEOUT, UnseenError
from operations.prove.subject import Subject
from operations.rotate.departure import smarthost_answers
from operations.site import Site
from readers import dkim

RESEND = "https://api.resend.com"
"""Resend's API (https://resend.com/docs/api-reference)."""

_DKIM, _PASSWORD = "mail:dkimPublicKey", "mail:smarthostPassword"
_COPY = "copy the value of the DKIM record from the smarthost's account, from p= on"
_VERIFY = "the smarthost's account, Domains: add the domain, and verify it after the first `up`"
_WAITING = {"not_started", "pending"}


@dataclass(frozen=True)
class Account:
    """What an account shows of the domain.

    Attributes:
        status: `verified`, or the account's own word for what it is instead.
        region: Its region.
        key: Value of its DKIM record; empty where it shows none under the declared selector.
    """

    status: str
    region: str
    key: str


async def resend_account(site: Site) -> Account | None:
    """Return what Resend's account shows of the domain; None where it does not hold it.

    Raises:
        UnseenError: the API does not answer, or not to this key.
    """
    declaration = site.declaration
    domains = (await _resend(site, "/domains")).get("data") or []
    ours = next((domain for domain in domains if domain.get("name") == declaration.domain), None)
    if ours is None:
        return None
    whole = await _resend(site, f"/domains/{ours['id']}")
    label = f"{declaration.smarthost.selector}._domainkey"
    keys = [
        str(record.get("value", ""))
        for record in whole.get("records") or []
        if str(record.get("name", "")) in {label, f"{label}.{declaration.domain}"}
    ]
    return Account(str(whole.get("status", "")), str(whole.get("region", "")), "".join(keys[:1]))


async def _resend(site: Site, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {site.secret('smarthostPassword')}"}
    try:
        async with httpx.AsyncClient(base_url=RESEND, timeout=TIMEOUT) as client:
            answer = await client.get(path, headers=headers)
            if answer.status_code in {401, 403}:
                # As it should be: the key that lies on the host may send and nothing else.
                raise UnseenError("the API key may send mail only, so the account stays shut")
            shown: dict[str, Any] = answer.raise_for_status().json()
    except httpx.HTTPStatusError as error:
        raise UnseenError(f"Resend's API answers {error.response.status_code}") from None
    except (httpx.HTTPError, ValueError) as error:
        raise UnseenError(f"Resend's API: {type(error).__name__}") from None
    return shown


_ACCOUNTS: dict[str, Callable[[Site], Awaitable[Account | None]]] = {"resend": resend_account}
"""Who can be asked with the credential that sends; elsewhere the account has another one."""


async def _account(site: Site, subject: Subject) -> Account | None:
    row = site.declaration.smarthost
    ask = _ACCOUNTS.get(row.provider)
    if ask is None:
        raise UnseenError(f"{row.row.title} shows its account to no credential that is declared")
    return await subject.once("smarthost-account", lambda: ask(site))


async def _verified(site: Site, subject: Subject) -> Finding:
    key, domain = "mail:domain", site.declaration.domain
    hidden = only_real(subject)
    if hidden is not None:
        return hidden
    account = await _account(site, subject)
    if account is None:
        return failed(f"the account does not hold {domain}", "verified", key=key)
    region = site.declaration.smarthost.region
    if account.region != region:
        seen = f"the account holds {domain} in {account.region or 'no region'}"
        return failed(
            seen, region, key="mail:smarthost.region",
            mend="declare that region if it lies in the EU; otherwise add the domain anew in one",
        )  # fmt: skip
    if account.status == "verified":
        return passed("verified", "verified", key=key)
    if account.status in _WAITING:
        mend = "its records come with the first `up`; then press Verify in the account"
        return warned(f"{domain} is {account.status}", "verified", key=key, mend=mend)
    return failed(f"{domain} is {account.status or 'in no state'}", "verified", key=key)


async def _same_key(site: Site, subject: Subject) -> Finding:
    hidden = only_real(subject)
    if hidden is not None:
        return hidden
    account = await _account(site, subject)
    selector = site.declaration.smarthost.selector
    if account is None or not account.key:
        seen = f"the account shows no key under the selector {selector}"
        return failed(seen, "the declared key", key=_DKIM)
    if dkim.parse(account.key).is_same(dkim.parse(site.declaration.dkim_public_key)):
        return passed("the declared key", "the declared key", key=_DKIM)
    return failed("the account shows another key", "the declared key", key=_DKIM)


async def _login(site: Site, _subject: Subject) -> Finding:
    server = site.declaration.names.nexthop
    if await smarthost_answers(site, site.secret("smarthostPassword")):
        return passed(f"{server} lets {server.user} in", "a login", key=_PASSWORD)
    return failed(f"{server} refuses the login of {server.user}", "a login", key=_PASSWORD)


async def _from_host(site: Site, subject: Subject) -> Finding:
    server = site.declaration.names.nexthop
    hidden = only_real(subject)
    if hidden is not None:
        return hidden
    state = await knock(site, server.host, server.port)
    seen = f"{server} is {state} from the host"
    key = "mail:smarthost.provider"
    return passed(seen, "open", key=key) if state == "open" else failed(seen, "open", key=key)


_FILTERED = "ask the host's provider to open the port outwards"
_CREDENTIAL = ("smarthostPassword",)
LOOKS = (
    Look(
        "smarthost-domain", "Is the domain verified?", "mail:domain", _VERIFY, _verified,
        _CREDENTIAL,
    ),
    Look(
        "smarthost-key", "Is its DKIM key the declared one?", _DKIM, _COPY, _same_key, _CREDENTIAL,
    ),
    Look(
        "smarthost-login", "Does the login work?", _PASSWORD,
        "make a new credential in the account and set it", _login, _CREDENTIAL,
    ),
    Look(
        "smarthost-port", "Does the host reach the smarthost?", "mail:smarthost.provider",
        _FILTERED, _from_host, ("sshPrivateKey",),
    ),
)  # fmt: skip
