"""Configuration of the provider, described in the same words as an object's properties."""

from pulumi_mailcow.describe import Kind, Property

CONFIGURATION = (
    Property(
        "endpoint", Kind.TEXT,
        "Where Mailcow's web interface is reached, such as `https://mail-admin.example.org`.",
        required=True,
    ),
    Property(
        "api_key", Kind.TEXT, "API key with read and write access.", required=True, secret=True
    ),
    Property(
        "connect_to", Kind.TEXT,
        "`address:port` to connect to instead, as curl's `--connect-to`: the name, SNI and the "
        "check of the certificate stay those of the endpoint.",
    ),
    Property(
        "ca_bundle", Kind.TEXT,
        "Certificate authorities (PEM) to trust; otherwise the system's.",
    ),
    Property(
        "concurrency", Kind.WHOLE,
        "Greatest number of requests at a time. Mailcow's php-fpm serves 50.",
        default=8, least=1,
    ),
    Property(
        "timeout", Kind.WHOLE, "Seconds to wait for an answer.", default=60, least=1
    ),
)  # fmt: skip
"""Settings of `mailcow.Provider`, or of `mailcow:` in the stack's configuration."""
