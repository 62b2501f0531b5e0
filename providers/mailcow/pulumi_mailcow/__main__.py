"""The plugin as a command: `pulumi-resource-mailcow`, or `python -m pulumi_mailcow`."""

import sys

from pulumi_kit.serving import serve
from pulumi_mailcow.provider import MailcowProvider
from pulumi_mailcow.version import PACKAGE, VERSION


def console() -> None:
    """Serve the engine whose address the command line names."""
    serve(MailcowProvider, PACKAGE, VERSION, sys.argv[1:])


if __name__ == "__main__":
    console()
