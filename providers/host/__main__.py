"""Serve the provider to Pulumi's engine, which starts this from its local path."""

import sys

from pulumi_host.serve import main

if __name__ == "__main__":
    main(sys.argv[1:])
