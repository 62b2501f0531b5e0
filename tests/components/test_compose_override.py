"""The limits of every service."""

from typing import Any

import yaml

from components.compose_override import limits, render_override
from declaration.mailcow import ResourceTier, TierLimits, memory_mib
from declaration.model import Declaration

TIERS = {
    ResourceTier.MAIL: TierLimits(memory_mib=384, cpus=1.0),
    ResourceTier.HELPER: TierLimits(memory_mib=96, cpus=0.25),
}
SERVICES = {"postfix-mailcow": ResourceTier.MAIL, "acme-mailcow": ResourceTier.HELPER}


def test_every_service_gets_the_limits_of_its_tier() -> None:
    assert limits(SERVICES, TIERS)["services"] == {
        "acme-mailcow": {"mem_limit": "96m", "cpus": 0.25},
        "postfix-mailcow": {"mem_limit": "384m", "cpus": 1.0},
    }


def test_the_declared_limits_fit_the_host(qual: Declaration) -> None:
    total = memory_mib(qual.mailcow.services, qual.mailcow.tiers)
    assert total + qual.host.reserved_memory_mib <= qual.host.memory_mib


def test_the_file_limits_and_does_nothing_else(qual: Declaration) -> None:
    document: Any = yaml.safe_load(render_override(qual.mailcow.services, qual.mailcow.tiers))
    assert list(document) == ["services"]
    assert set(document["services"]) == set(qual.mailcow.services)
    for service in document["services"].values():
        assert set(service) == {"mem_limit", "cpus"}
