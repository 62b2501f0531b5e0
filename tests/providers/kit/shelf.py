"""A provider that fails in every way that a provider can, served as a plugin is."""

import sys

from pulumi.provider.experimental.provider import (
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    Provider,
)

from pulumi_kit.failures import PartlyDoneError, ProviderError
from pulumi_kit.serving import serve
from pulumi_kit.values import wrapped_map

MARKER = "planted-secret-3f80"


class Shelf(Provider):
    """Creates a box as its input `way` says."""

    _cancelled = False

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Create, or fail."""
        if self._cancelled:
            raise ProviderError("the shelf was given up")
        match request.properties["way"].value:
            case "known":
                raise ProviderError("the shelf is full")
            case "unforeseen":
                raise ValueError(MARKER)
            case "half":
                properties = wrapped_map({"label": "b"}, secret=frozenset({"label"}))
                raise PartlyDoneError("box-1", properties, ["the lid is open"], request.properties)
        return CreateResponse("box-1", request.properties)

    async def delete(self, request: DeleteRequest) -> None:
        """Fail."""
        raise ProviderError(f"{request.resource_id} is nailed down")

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        """Compare, unless the engine is to."""
        if "open" in request.new_inputs:
            return DiffResponse()
        names = [key for key in request.new_inputs if request.new_inputs != request.old_state]
        return DiffResponse(changes=bool(names), diffs=names)

    async def cancel(self) -> None:
        """Give up."""
        self._cancelled = True


if __name__ == "__main__":
    serve(Shelf, "shelf", "1.2.3", sys.argv[1:])
