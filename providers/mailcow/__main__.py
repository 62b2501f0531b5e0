"""The provider plugin `mailcow`: Pulumi runs this file."""

import sys

from pulumi_kit.serving import serve
from pulumi_mailcow.provider import MailcowProvider
from pulumi_mailcow.version import PACKAGE, VERSION

if __name__ == "__main__":
    serve(MailcowProvider, PACKAGE, VERSION, sys.argv[1:])
