"""Files of the release that this project's own files lean on; a change of one is worth a look."""

from collections.abc import Iterable
from dataclasses import dataclass

RELIED = {
    "data/Dockerfiles/postfix/": "starts Postfix: appends extra.cf to main.cf, writes myhostname",
    "data/conf/postfix/main.cf": "extra.cf replaces its relayhost, mynetworks, SASL and TLS "
    "policy maps whole",
    "data/conf/postfix/master.cf": "the ports on which people hand mail in",
    "data/conf/nginx/templates/": "includes site.*.custom, where the MTA-STS policy is served; "
    "binds the ports behind Traefik",
    "data/Dockerfiles/nginx/": "renders nginx's configuration: TRUSTED_PROXIES, HTTP_BIND",
    "data/assets/ssl-example/dhparams.pem": "copied once to data/assets/ssl; Dovecot reads it",
    "data/conf/dovecot/": "Dovecot's configuration; the certificate and the mailboxes' place",
    "data/conf/rspamd/": "the filter's configuration; backed up with data/conf",
    "generate_config.sh": "components/mailcow_conf.py writes what it would write",
    "_modules/scripts/new_options.sh": "components/mailcow_conf.py writes what it would add",
    "_modules/scripts/migrate_options.sh": "components/mailcow_conf.py leaves out what it removes",
    ".gitignore": "our files in the release's directory must stay unknown to Git",
    "helper-scripts/backup_and_restore.sh": "the backup here is our own; its parts are compared",
}
"""Path, or folder with a slash, and why it matters."""


@dataclass(frozen=True)
class Touched:
    """A file that differs between two releases and matters here.

    Attributes:
        path: Its path in the release.
        why: Why it matters.
    """

    path: str
    why: str


def touched(changed: Iterable[str]) -> list[Touched]:
    """Return those of the changed files that matter here."""
    return [
        Touched(path, why)
        for path in sorted(changed)
        for relied, why in RELIED.items()
        if path == relied or (relied.endswith("/") and path.startswith(relied))
    ]
