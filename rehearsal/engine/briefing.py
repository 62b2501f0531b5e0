"""What the program's process is told when it starts."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, repr=False)
class Briefing:
    """What the program's process is told.

    Attributes:
        monitor: Loopback address of both of the engine's services.
        project: Name of the project.
        stack: Name of the stack.
        folder: Where `Pulumi.yaml` lies.
        program: Path to run, a folder with a `__main__.py` or a file.
        preview: Whether nothing is to be changed.
        parallel: How many registrations may be under way at once.
        config: Configuration by full key.
        secret_keys: Which keys of it are secret.
    """

    monitor: str
    project: str
    stack: str
    folder: str
    program: str
    preview: bool
    parallel: int
    config: dict[str, str]
    secret_keys: list[str]

    def written(self) -> bytes:
        """Return the briefing as it goes over standard input."""
        return json.dumps(asdict(self)).encode()
