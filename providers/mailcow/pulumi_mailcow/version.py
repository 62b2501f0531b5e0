"""Version of this package, and the releases of Mailcow that it was checked against."""

VERSION = "0.1.0"
PACKAGE = "mailcow"
CHECKED_AGAINST = "2026-07a"
"""Release of mailcow-dockerized whose API code every object was written from."""
