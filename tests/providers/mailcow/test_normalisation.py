"""Whatever can be declared and is written reads back without a difference."""

import asyncio
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulumi_mailcow.describe import Kind, Property
from pulumi_mailcow.objects import BY_TOKEN as OBJECTS
from tests.providers.mailcow.samples import SAMPLES, Inputs, Sample
from tests.providers.mailcow.stack import DeclarationRefusedError, program_of, standing

WORDS = st.text(string.ascii_letters + string.digits + " .:-_äßé<>&'\"\\", min_size=1, max_size=12)
LABELS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
DOMAINS = st.builds(
    "{}.{}".format, LABELS | st.just("bücher"), st.sampled_from(["net", "ORG", "example.net"])
)
ADDRESSES = st.builds("{}@{}".format, LABELS, DOMAINS)
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "goto": st.lists(ADDRESSES, min_size=1, max_size=4),
    "mx": st.lists(DOMAINS, min_size=1, max_size=3),
    "bcc_dest": ADDRESSES,
    "recipient_map_new": ADDRESSES | DOMAINS,
    "nexthop": st.sampled_from(["192.0.2.1", "[mx.example.net]:25", "mx.example.net", "[::1]"]),
    "hostname": st.sampled_from(["[h.example.net]:587", "h.example.net", "192.0.2.3"]),
    "parameters": st.sampled_from(["", "match=a", "match=a protocols=b"]),
    "pw_recovery_email": ADDRESSES | st.just(""),
    "object_from": st.sampled_from(["*@A.example.net", "a_b@c.net", "Spam.example.net"]),
    "dkim_selector": LABELS,
    "custom_params": st.just(""),
    # Mailcow refuses what is no regular expression.
    "exclude": st.sampled_from(["", "(?i)spam|(?i)junk", "^Trash$", "[Dd]rafts", r"a\.b\\c"]),
    "quota": st.integers(0, 5000),
    "max_age": st.integers(1, 31536000),
}
LEFT_ALONE = {"relayhost", "authsource", "key_size", "domains", "restart_sogo", "active"}
"""What needs something else to be there, or is tried elsewhere."""


def values(item: Property) -> st.SearchStrategy[Any]:
    """Return what may be declared for a property."""
    if item.name in BY_NAME:
        return BY_NAME[item.name]
    if item.choices and item.kind is Kind.TEXTS:
        return st.lists(st.sampled_from(item.choices), unique=True)
    if item.choices:
        return st.sampled_from(item.choices)
    return {
        Kind.TEXT: WORDS,
        Kind.WHOLE: st.integers(item.least or 0, 30000),
        Kind.NUMBER: st.decimals(-5, 30, places=1).map(float),
        Kind.FLAG: st.booleans(),
        Kind.TEXTS: st.lists(WORDS, max_size=4),
    }[item.kind]


def declarations(sample: Sample) -> st.SearchStrategy[Inputs]:
    """Return declarations of an object: what identifies it as in the sample, the rest as may be."""
    item = OBJECTS[sample.token]
    free = {
        property_.wire: values(property_)
        for property_ in item.properties
        if not (property_.output or property_.replaces or property_.name in LEFT_ALONE)
        and property_.name not in {"description", "app_passwd", "password", "password1"}
    }
    if sample.token == "Domain":
        for name in ("defquota", "maxquota", "quota"):
            free.pop(name)
    if sample.token == "Resource":
        free["description"] = WORDS
    return st.fixed_dictionaries({}, optional=free).map(lambda more: {**sample.inputs, **more})


async def _written_and_read_back(sample: Sample, first: Inputs, second: Inputs) -> None:
    async with standing(sample.needs) as (_, stack):
        for inputs in (first, second):
            declared = {**inputs}
            if declared.get("gotoNull") or declared.get("gotoSpam") or declared.get("gotoHam"):
                chosen = next(n for n in ("gotoNull", "gotoSpam", "gotoHam") if declared.get(n))
                declared |= {"gotoNull": False, "gotoSpam": False, "gotoHam": False, "goto": []}
                declared[chosen] = True
            program = program_of(sample.needs)
            program["it"] = (sample.token, declared)
            try:
                await stack.up(program)
            except DeclarationRefusedError:
                continue
            await stack.configure()
            assert await stack.refresh() == {}
            assert (await stack.up(program))["it"] == "same"


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_what_is_written_and_read_back_is_no_difference(sample: Sample) -> None:
    @settings(
        max_examples=12, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(declarations(sample), declarations(sample))
    def holds(first: Inputs, second: Inputs) -> None:
        asyncio.run(_written_and_read_back(sample, first, second))

    holds()
