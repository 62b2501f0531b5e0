"""The provider plugin `mailcow`: Pulumi runs this file."""

import sys

from pulumi_mailcow.server import main

if __name__ == "__main__":
    main(sys.argv[1:])
