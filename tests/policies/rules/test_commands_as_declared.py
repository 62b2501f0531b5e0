"""The rule `commands-as-declared`.

Commands on the host act on the declared places.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import Mistake, changed, messages, replaced

RULE = "commands-as-declared"


def _in(name: str, old: str, new: str) -> Mistake:
    return replaced(name, old, new, "create", kind="command:remote")


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


MISTAKES: dict[str, Mistake] = {
    "--directory": _in("mailcow-release", "--directory /opt/po-mail/", "--directory /opt/other/"),
    "does not look for acme-mailcow": _in("mailcow-release", "--service acme-mailcow", ""),
    "--acme": _in("certificate-delivery", "--acme /opt/", "--acme /srv/"),
    "--conf": _in("mailcow-settings-guard", "--conf /opt/", "--conf /srv/"),
    "lacks  --note": _in("mailcow", " --note", ""),
    "extra.cf": _in("mailcow", "postfix/extra.cf=", "postfix/extra.xx="),
    "another thing in an update": changed("queue-metrics-schedule", "true", "update"),
    "lacks /opt/po-mail/secrets": _in("host-directories", "/opt/po-mail/secrets", "/opt/x"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_what_nobody_declared_is_refused_by_its_name(good: Stack, what: str) -> None:
    assert what in " ".join(messages(RULE, MISTAKES[what](good)))
