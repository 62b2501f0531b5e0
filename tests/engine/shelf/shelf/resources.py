"""What a test program says: a box, a shelf, a look at the shelf."""

from collections.abc import Mapping
from typing import Any

import pulumi


class Provider(pulumi.ProviderResource):
    """A shelf: the folder that the boxes stand in."""

    def __init__(
        self, name: str, opts: pulumi.ResourceOptions | None = None, **config: pulumi.Input[Any]
    ) -> None:
        """Take the provider's configuration as keyword arguments."""
        super().__init__("shelf", name, config, opts)


class Box(pulumi.CustomResource):
    """A box: `label` changes in place, `place` and `port` replace it."""

    label: pulumi.Output[str]
    serial: pulumi.Output[float]
    token: pulumi.Output[str]
    content: pulumi.Output[Any]
    code: pulumi.Output[str]

    def __init__(
        self, name: str, opts: pulumi.ResourceOptions | None = None, **props: pulumi.Input[Any]
    ) -> None:
        """Take the box's inputs as keyword arguments."""
        outputs = {"serial": None, "token": None, "label": None, "content": None, "code": None}
        super().__init__("shelf:index:Box", name, {**outputs, **props}, opts)

    @staticmethod
    def get(name: str, box_id: pulumi.Input[str], opts: pulumi.ResourceOptions) -> "Box":
        """Look up a box that stands there already."""
        return Box(name, pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=box_id)))


def describe(
    args: Mapping[str, Any], opts: pulumi.InvokeOptions | None = None
) -> pulumi.Output[Any]:
    """Ask the provider to describe something."""
    return pulumi.Output.from_input(
        pulumi.runtime.invoke_async("shelf:index:describe", dict(args), opts)
    )
