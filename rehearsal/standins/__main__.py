"""Serve one stand-in as an engine starts a plugin: `python -m rehearsal.standins minio ADDRESS`.

Without an address it waits for engines that attach themselves, as they do to what
`PULUMI_DEBUG_PROVIDERS=minio:PORT` names.
"""

import sys
from importlib.metadata import version

from pulumi_kit.serving import serve
from rehearsal.standins import PROVIDERS

if __name__ == "__main__":
    package, *words = sys.argv[1:] or [""]
    if package not in PROVIDERS:
        sys.exit(f"python -m rehearsal.standins {{{','.join(PROVIDERS)}}} [ADDRESS] [--port PORT]")
    serve(PROVIDERS[package], package, version(f"pulumi-{package}"), words)
