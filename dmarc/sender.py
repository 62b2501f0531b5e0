"""Who sent a message, in the judgement of our own mail host (RFC 8601)."""

import re
from email.message import Message

import authres

from dmarc.left_out import LeftOutError

_FIELD = "Authentication-Results"
_SERVER = re.compile(r'\s*(?:\([^()]*\)\s*)?"?([^\s;"()]+)"?')
_UNAUTHENTICATED = "sender not authenticated"


def authenticated(message: Message, host: str) -> str:
    """Return the domain that sent a message; empty where our host never judged it.

    A field counts only if it bears the name of our own host; any other says nothing (RFC 8601
    sections 5 and 7.1). The topmost of those is ours: Mailcow takes away what came with the
    message. A message without one was not received here, such as a file that somebody saved.

    Args:
        message: The message.
        host: Name of our mail host, which it writes into its field (authserv-id).

    Raises:
        LeftOutError: nothing authenticated the sender, or DMARC failed.
    """
    for field in message.get_all(_FIELD, ()):
        text = " ".join(str(field).split())
        server = _SERVER.match(text)
        if server is not None and _name(server[1]) == _name(host):
            return _sender(f"{_name(host)}{text[server.end() :]}")
    return ""


def _sender(text: str) -> str:
    try:
        header = authres.AuthenticationResultsHeader.parse(f"{_FIELD}: {text}")
    except (authres.AuthResError, RecursionError):
        raise LeftOutError(_UNAUTHENTICATED) from None
    passed: dict[str, dict[str, str]] = {}
    for judged in header.results:
        if judged.method == "dmarc" and judged.result == "fail":
            raise LeftOutError(_UNAUTHENTICATED)
        if judged.result == "pass":
            passed.setdefault(judged.method, {}).update(
                {f"{detail.type}.{detail.name}": str(detail.value) for detail in judged.properties}
            )
    for method, name in (("dmarc", "header.from"), ("dkim", "header.d"), ("spf", "smtp.mailfrom")):
        if method in passed:
            return _name(passed[method].get(name, "").rpartition("@")[2])
    raise LeftOutError(_UNAUTHENTICATED)


def _name(text: str) -> str:
    return text.strip().rstrip(".").lower()
