"""The releases that follow the rehearsed one: an ordinary one, and one that changes a lot.

They differ from it as Mailcow's releases differ from one another: images, options of
`mailcow.conf`, published ports, volumes, files that a deployment relies on, the database's schema,
and words in the history. None of it is a forecast.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Edition:
    """How a release differs from the rehearsed one.

    Attributes:
        images: Other images of services, by name without `-mailcow`.
        added: Images of services that it brings, by name without `-mailcow`.
        removed: Services that it no longer has.
        environment: Further variables of a service, as `NAME:-default` or `NAME`.
        ports: Further published ports of a service.
        volumes: Further volumes of a service; a named one is declared, too.
        options_added: Options that its updater adds to `mailcow.conf`.
        options_removed: Options that it no longer knows.
        schema: Version of the database's schema; the rehearsed one's if empty.
        appended: Lines that it adds to files, by path.
        history: Messages of the commits between the release before and this one.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    environment: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    volumes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options_added: tuple[str, ...] = ()
    options_removed: tuple[str, ...] = ()
    schema: str = ""
    appended: Mapping[str, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()


ORDINARY = Edition(
    images={
        "postfix": "ghcr.io/mailcow/postfix:3.10.13-1",
        "rspamd": "ghcr.io/mailcow/rspamd:4.1.5-1",
        "php-fpm": "ghcr.io/mailcow/phpfpm:8.2.30-1",
        "nginx": "ghcr.io/mailcow/nginx:1.30.5-1",
    },
    environment={"php-fpm": ("QUARANTINE_DIGEST_HOUR:-7",)},
    ports={"rspamd": ("${RSPAMD_PORT:-127.0.0.1:11334}:11334",)},
    options_added=("QUARANTINE_DIGEST_HOUR", "RSPAMD_PORT"),
    options_removed=("WATCHDOG_VERBOSE",),
    schema="14082026_0900",
    appended={
        "data/conf/postfix/main.cf": "smtpd_forbid_bare_newline = yes\n",
        "data/conf/nginx/templates/nginx.conf.j2": "# Rehearsed, changed\n",
    },
    history=(
        "[Rspamd] Update to 4.1.5\n",
        "[Web] Send the digest of the quarantine at a chosen hour\n",
    ),
)
"""A release like most of them: it can be taken as it is."""

LARGE = Edition(
    images={**ORDINARY.images, "dovecot": "ghcr.io/mailcow/dovecot:2.4.1-1"},
    added={"archive": "ghcr.io/mailcow/archive:1.0"},
    removed=("olefy",),
    environment=ORDINARY.environment,
    ports=ORDINARY.ports,
    volumes={"dovecot": ("dovecot-sieve-vol-1:/var/sieve",)},
    options_added=(*ORDINARY.options_added, "SKIP_ARCHIVE"),
    options_removed=(*ORDINARY.options_removed, "SKIP_OLEFY"),
    schema="01092026_1200",
    appended={
        **ORDINARY.appended,
        "data/conf/dovecot/dovecot.conf": "dovecot_config_version = 2.4.0\n",
        "data/assets/ssl-example/dhparams.pem": "# Rehearsed, changed\n",
    },
    history=(
        "[Dovecot] Update to 2.4\n\nBREAKING CHANGE: settings in extra.conf have other names.\n",
        "[Olefy] Remove the container\n",
    ),
)
"""A release that brings and removes a service, so that the declaration must change with it."""


def following(tag: str) -> dict[str, Edition]:
    """Return the releases that follow a tag, in their order.

    Args:
        tag: Such as `2026-07a`; any other shape has none.
    """
    match = re.fullmatch(r"(20\d\d)-(\d\d)([a-y]?)", tag)
    if match is None:
        return {}
    year, month, letter = int(match[1]), int(match[2]), match[3]
    patch = f"{match[1]}-{match[2]}{chr(ord(letter) + 1) if letter else 'a'}"
    later = f"{year + month // 12}-{month % 12 + 1:02d}"
    return {patch: ORDINARY, later: LARGE}
