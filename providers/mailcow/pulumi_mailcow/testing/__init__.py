"""A stand-in of Mailcow's API, held to what the genuine one answered.

It needs the extra `testing` (`pip install pulumi-mailcow-local[testing]`). It does what the
provider asks of a Mailcow and refuses the rest by name.
"""

from pulumi_mailcow.testing.api import Api
from pulumi_mailcow.testing.faults import Fault, Kind
from pulumi_mailcow.testing.server import API_KEY, READ_ONLY_KEY, Mailcow

__all__ = ["API_KEY", "READ_ONLY_KEY", "Api", "Fault", "Kind", "Mailcow"]
