"""Entry point of the shelf provider for the genuine engine."""

import sys

from pulumi.provider.experimental.server import main
from shelf.provider import (  # type: ignore[import-not-found] # the engine runs it from here
    ShelfProvider,
)

main(sys.argv, "1.0.0", ShelfProvider())
