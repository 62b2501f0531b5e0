"""The rule `mailcow-conf-as-declared`.

mailcow.conf switches on what was declared, and nothing else.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import Mistake, messages, replaced

RULE = "mailcow-conf-as-declared"


def _set(old: str, new: str) -> Mistake:
    return replaced("mailcow-conf", old, new)


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


MISTAKES: dict[str, Mistake] = {
    "SKIP_LETS_ENCRYPT to n": _set("SKIP_LETS_ENCRYPT=y", "SKIP_LETS_ENCRYPT=n"),
    "MAILCOW_PASS_SCHEME to PLAIN": _set("SCHEME=BLF-CRYPT", "SCHEME=PLAIN"),
    "ACL_ANYONE": _set("ACL_ANYONE=disallow", "ACL_ANYONE=allow"),
    "USE_WATCHDOG": _set("USE_WATCHDOG=y", "USE_WATCHDOG=n"),
    "DISABLE_NETFILTER_ISOLATION_RULE": _set("ISOLATION_RULE=n", "ISOLATION_RULE=y"),
    "ALLOW_ADMIN_EMAIL_LOGIN": _set("EMAIL_LOGIN=n", "EMAIL_LOGIN=y"),
    "SKIP_SOGO": _set("SKIP_SOGO=n", "SKIP_SOGO=y"),
    "WATCHDOG_NOTIFY_EMAIL": _set("LOG_LINES", "WATCHDOG_NOTIFY_EMAIL=x@y.example\nLOG_LINES"),
    "does not set TZ": _set("TZ=Europe/Lisbon\n", ""),
    "REDISPASS to a value that is none": _set("REDISPASS=", "REDISPASS=x\nUNSET="),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_what_nobody_declared_is_refused_by_its_name(good: Stack, what: str) -> None:
    assert what in " ".join(messages(RULE, MISTAKES[what](good)))
