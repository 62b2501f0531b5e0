"""A provider of the rehearsal as a plugin of the genuine engine.

    python -m rehearsal.genuine.plugin PACKAGE [flags] ENGINE

The engine starts it by the name `pulumi-resource-PACKAGE`, which `programs` lays on its PATH.
"""

import os
import sys
import threading
import time
from importlib import metadata

from pulumi_kit.serving import serve
from rehearsal.stage import providers


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: an engine that was killed does not say so."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def main() -> None:
    """Serve the provider of a package; it has the version of the SDK that it stands in for."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    package, *words = sys.argv[1:]
    serve(providers()[package], package, metadata.version(f"pulumi_{package}"), words)


if __name__ == "__main__":
    main()
