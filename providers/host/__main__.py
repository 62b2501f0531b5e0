"""Serve the provider to Pulumi's engine, which starts this from its local path."""

import sys

from pulumi_host.provider import HostProvider
from pulumi_host.schema import NAME, VERSION
from pulumi_kit.serving import serve

if __name__ == "__main__":
    serve(HostProvider, NAME, VERSION, sys.argv[1:])
