"""What is remembered of a rotation that was begun: which steps are done, and no secret.

It lies on the host, beside what the other programs remember, so that any operator can go on where
another one stopped. A secret that must outlive a step lies among the host's secrets, for root
alone, and only if the host knows it anyway.
"""

import json
import shlex
from dataclasses import asdict, dataclass, field
from typing import Any

from declaration.names import SECRETS, STATE
from operations.site import Host


@dataclass
class Progress:
    """How far a rotation has come.

    Attributes:
        what: What is rotated, with the mailbox if it is one's password.
        begun: Day on which it was begun (ISO 8601).
        done: Names of the steps that are done, in their order.
        notes: What later steps need to know; never a secret.
    """

    what: str
    begun: str
    done: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


class Memory:
    """Keeps the progress of one rotation on the host."""

    def __init__(self, host: Host, what: str) -> None:
        """Look after one rotation.

        Args:
            host: The host.
            what: What is rotated.
        """
        self._host = host
        self._what = what
        self._file = f"{STATE}/rotation-{what}.json"

    async def recall(self) -> Progress | None:
        """Return how far it has come, None if none was begun."""
        try:
            kept = json.loads(await self._host.read(self._file))
        except FileNotFoundError:
            return None
        return Progress(**kept)

    async def keep(self, progress: Progress) -> None:
        """Remember how far it has come."""
        text = json.dumps(asdict(progress), indent=2, sort_keys=True)
        await self._host.write(self._file, f"{text}\n")

    async def end(self) -> None:
        """Forget the rotation, with the secrets that were put aside for it."""
        places = [self._file, *(self.place(kind) for kind in ("old", "new"))]
        words = " ".join(f'"${{DESTDIR:-}}"{shlex.quote(place)}' for place in places)
        await self._host.run(f"rm -f {words}", what="forget the rotation")

    def place(self, kind: str) -> str:
        """Return where a secret is put aside on the host.

        Args:
            kind: `old` or `new`.
        """
        return f"{SECRETS}/rotation-{self._what}.{kind}"

    async def put_aside(self, kind: str, value: str) -> None:
        """Keep a secret among the host's secrets until the rotation ends."""
        await self._host.write(self.place(kind), value)

    async def aside(self, kind: str) -> str | None:
        """Return a secret that was put aside, None if there is none."""
        try:
            return (await self._host.read(self.place(kind))).decode().strip()
        except FileNotFoundError:
            return None
