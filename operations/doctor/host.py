"""The host: does it meet what the deployment looks at, and what does it reach?"""

import json
import shlex
from collections.abc import Sequence

from components.host import MUST, SHOULD, TOOLS, Condition, passes_senders_on
from operations.doctor.looking import ONLY_REAL, Look
from operations.prove.findings import failed, passed, unseen, warned
from operations.prove.model import Finding
from operations.prove.net import TIMEOUT, UnseenError
from operations.prove.subject import Subject
from operations.site import Site

KEY = "mail:host.ssh"
"""What a look at the host is about, unless it says more."""
_KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
    print("open")
except TimeoutError:
    print("silent")
except ConnectionRefusedError:
    print("closed")
"""
_STATES = ("open", "silent", "closed")


async def knock(site: Site, name: str, port: int) -> str:
    """Return what a port elsewhere does when the host knocks: open, closed or silent.

    Raises:
        UnseenError: the host could not knock.
    """
    words = shlex.join(["python3", "-c", _KNOCK, name, str(port), str(TIMEOUT)])
    done = await site.host.run(words, what=f"knocking at {name}", timeout=2 * TIMEOUT, check=False)
    state = done.stdout.strip()
    if state not in _STATES:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise UnseenError(f"the host cannot knock at {name}: {last[:200]}")
    return state


def script(conditions: Sequence[tuple[Condition, bool]]) -> str:
    """Return the command that tells of each condition whether it holds, as one JSON list.

    Args:
        conditions: Conditions, and whether each is told on a real host alone.
    """
    lines = []
    for condition, real in conditions:
        away = '[ -n "${DESTDIR:-}" ]' if real else "false"
        lines.append(
            f'if {away}; then say="$say \\"away\\","; '
            f"elif ! {{ {condition.seen}; }} >/dev/null 2>&1; then "
            'say="$say \\"unseen\\","; '
            f'elif {{ {condition.test}\n}} >/dev/null 2>&1; then say="$say \\"yes\\","; '
            'else say="$say \\"no\\","; fi'
        )
    return "\n".join(["say=", *lines, 'echo "[${say%,}]"'])


def looks(site: Site) -> list[Look]:
    """Return a look for each condition that the deployment has of its host."""
    must = [(tool, False) for tool in (*TOOLS, *MUST)]
    if site.declaration.ipv6 is not None:
        must.append((passes_senders_on(), False))
    conditions = [*must, *((need, True) for need in SHOULD)]

    async def answers() -> list[str]:
        done = await site.host.run(script(conditions), what="looking at the host", timeout=30)
        said: list[str] = json.loads(done.stdout)
        if len(said) != len(conditions):
            raise UnseenError("the host answers something else than was asked")
        return said

    def look(number: int, condition: Condition, *, real: bool) -> Look:
        async def see(_site: Site, subject: Subject) -> Finding:
            answer = (await subject.once("host-conditions", answers))[number]
            if answer == "yes":
                return passed("it holds", "it holds", key=KEY)
            if answer == "away":
                return unseen(ONLY_REAL, key=KEY)
            if answer != "no":
                words = f"the host has nothing that shows whether {condition.otherwise}"
                return unseen(words, key=KEY)
            tell = warned if real else failed
            return tell(condition.otherwise, "it holds", key=KEY)

        question = f"Is the host as it must be: {condition.name}?"
        return Look(f"host-{condition.name}", question, KEY, "", see, needs=("sshPrivateKey",))

    return [
        look(number, condition, real=real) for number, (condition, real) in enumerate(conditions)
    ]
