"""`docker-compose.override.yml`: the limits of every service.

Written as `mem_limit` and `cpus`, which Compose v2 merges into the release's own file. The other
spelling, `deploy.resources.limits`, would be refused as a contradiction by Compose on the day
when a release sets either for itself.
"""

from collections.abc import Mapping
from typing import TypedDict

import yaml

from declaration.mailcow import ResourceTier, TierLimits


class ServiceLimits(TypedDict):
    """What the override file says of a service."""

    mem_limit: str
    cpus: float


class Override(TypedDict):
    """The override file."""

    services: dict[str, ServiceLimits]


def limits(
    services: Mapping[str, ResourceTier], tiers: Mapping[ResourceTier, TierLimits]
) -> Override:
    """Return the limits of every service, by its tier.

    Raises:
        KeyError: a tier that a service names has no limits.
    """
    return {
        "services": {
            service: {
                "mem_limit": f"{tiers[tier].memory_mib}m",
                "cpus": tiers[tier].cpus,
            }
            for service, tier in sorted(services.items())
        }
    }


def render_override(
    services: Mapping[str, ResourceTier], tiers: Mapping[ResourceTier, TierLimits]
) -> str:
    """Return the override file."""
    text: str = yaml.safe_dump(dict(limits(services, tiers)), sort_keys=False)
    return f"# Limits by tier. Written by Pulumi; the next `pulumi up` undoes edits.\n{text}"
