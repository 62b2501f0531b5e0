"""What Traefik makes of a request's path before any rule sees it.

Tried out on Traefik 3.6 (tests/real/test_reverse_proxy.py): characters that need no encoding are
decoded, other encodings are written in capitals; `.`, `..` and repeated slashes are resolved; an
encoded slash is no slash. The query goes on as it came.
"""

import posixpath
import re
import string
from dataclasses import dataclass

_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
"""RFC 3986 section 2.3."""
_RESERVED = frozenset(":/?#[]@!$&'()*+,;=%")
"""RFC 3986 section 2.2, and the percent sign: rules see these encoded."""
_WRITTEN_ENCODED = frozenset('\\"<>^`{|} ')
"""What Go writes encoded in a path, however it came."""


class PathError(Exception):
    """A path that Traefik answers with 400."""


@dataclass(frozen=True)
class Target:
    """A request's path, twice.

    Attributes:
        seen: Path as rules see it.
        sent: Path and query as the backend gets them, encoded.
    """

    seen: str
    sent: str


def target_of(raw: str) -> Target:
    """Return what becomes of a path and query as they came over the wire.

    Raises:
        PathError: it holds a fragment.
    """
    path, mark, query = raw.partition("?")
    if "#" in path:
        raise PathError("a path holds no fragment")
    sent = _resolved(_ENCODED.sub(_normal, _written(path)))
    return Target(_ENCODED.sub(_decoded_unless_reserved, sent), sent + mark + query)


def _written(path: str) -> str:
    return "".join(f"%{ord(item):02X}" if item in _WRITTEN_ENCODED else item for item in path)


def _normal(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def _decoded_unless_reserved(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    # Beyond ASCII a character takes several bytes; no rule of ours names one.
    return found[0] if number > 0x7F or chr(number) in _RESERVED else chr(number)


def _resolved(path: str) -> str:
    if not path.startswith("/"):
        return path
    clean = posixpath.normpath(path)
    # POSIX gives two leading slashes a meaning of their own.
    clean = "/" + clean.lstrip("/")
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean
