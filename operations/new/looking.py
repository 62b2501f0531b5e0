"""What the DNS knows already of a company that begins with a declaration. Nothing is guessed."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import dns.reversename

from declaration.smarthost_providers import FIRST_SELECTOR
from operations.prove.cloudflare import is_proxy
from operations.prove.net import Net, UnseenError
from readers import dkim, dmarc

_CLOUDFLARE = ".ns.cloudflare.com"
_FEEDBACK = re.compile(r"\d+ feedback-smtp\.([a-z0-9-]+)\.amazonses\.com")
_ENVELOPE = "send"

LOOKED_FOR = (
    "the zone and its name servers", "the mail host and its address",
    "the smarthost's region and DKIM key", "the DMARC policy that is published",
)  # fmt: skip
"""What is looked for, for whoever does not look."""


@dataclass
class Sight:
    """What was seen.

    Attributes:
        values: Values by path, without `mail:`.
        notes: What the person should know, a line each.
        unseen: What could not be looked up, a line each.
    """

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


Step = Callable[[Net, str, Sight], Awaitable[None]]


async def look(net: Net, domain: str) -> Sight:
    """Ask the DNS for everything that a declaration can take from it.

    Args:
        net: Where to ask.
        domain: The mail domain.
    """
    steps: tuple[Step, ...] = (_zone, _mail_host, _smarthost, _dmarc)
    whole = Sight()
    parts = [_take(step, words, net, domain) for step, words in zip(steps, LOOKED_FOR, strict=True)]
    for part in await asyncio.gather(*parts):
        whole.values |= part.values
        whole.notes += part.notes
        whole.unseen += part.unseen
    return whole


async def _take(step: Step, words: str, net: Net, domain: str) -> Sight:
    sight = Sight()
    try:
        await step(net, domain, sight)
    except UnseenError as error:
        sight.unseen.append(f"{words}: {error}")
    return sight


async def _zone(net: Net, domain: str, sight: Sight) -> None:
    labels = domain.split(".")
    for first in range(len(labels) - 1):
        zone = ".".join(labels[first:])
        servers = (await net.resolve(zone, "NS")).values
        if servers:
            break
    else:
        sight.notes.append(f"{domain} has no name servers: register it, and add it at Cloudflare")
        return
    if zone != domain:
        sight.values["zone.name"] = zone
    if not all(server.endswith(_CLOUDFLARE) for server in servers):
        sight.notes.append(
            f"{zone} is served by {', '.join(servers)}: move it to Cloudflare before the first `up`"
        )


async def _mail_host(net: Net, domain: str, sight: Sight) -> None:
    targets = [value.partition(" ")[2] for value in (await net.resolve(domain, "MX")).values]
    targets = [target for target in targets if target != "."]
    if not targets:
        sight.notes.append(f"{domain} has no MX record: nobody can write to it yet")
        return
    label = targets[0].removesuffix(f".{domain}")
    if len(targets) > 1 or label == targets[0] or "." in label:
        sight.notes.append(
            f"mail for {domain} goes to {', '.join(targets)} until the first `up` moves it"
        )
        return
    sight.values["zone.mxLabel"] = label
    addresses = await net.addresses(targets[0])
    if len(addresses) != 1 or is_proxy(addresses[0]):
        shown = ", ".join(addresses) or "nowhere"
        sight.notes.append(f"{targets[0]} leads to {shown}, which tells no address of a host")
        return
    sight.values["host.address"] = addresses[0]
    pointer = dns.reversename.from_address(addresses[0]).to_text(omit_final_dot=True)
    names = (await net.resolve(pointer, "PTR")).values
    if targets[0] not in names:
        shown = ", ".join(names) or "missing"
        sight.notes.append(
            f"the reverse name of {addresses[0]} is {shown}: set {targets[0]} at its provider"
        )


async def _smarthost(net: Net, domain: str, sight: Sight) -> None:
    for value in (await net.resolve(f"{_ENVELOPE}.{domain}", "MX")).values:
        if found := _FEEDBACK.fullmatch(value):
            sight.values["smarthost.region"] = found[1]
    texts = (await net.resolve(f"{FIRST_SELECTOR}._domainkey.{domain}", "TXT")).values
    if len(texts) == 1 and dkim.parse(texts[0]).usable:
        # Resend's own selector; at others an account chooses its own.
        sight.values["smarthost.provider"] = FIRST_SELECTOR
        sight.values["dkimPublicKey"] = texts[0]
        sight.notes.append("the DKIM key is the published one: compare it with the account's")


async def _dmarc(net: Net, domain: str, sight: Sight) -> None:
    for text in (await net.resolve(f"_dmarc.{domain}", "TXT")).values:
        if dmarc.is_dmarc(text):
            sight.notes.append(
                f'"{text}" is published, and the first `up` sets p=none from today: declare '
                "mail:dmarc.stage, since and reportsSince before, where it is stricter"
            )
