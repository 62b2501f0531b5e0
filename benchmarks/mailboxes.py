"""Shows how deploying 10, 100 and 1,000 mailboxes grows in time and memory.

    python -m benchmarks.mailboxes [COUNT ...]

The whole declaration of `qual` is deployed, with that many mailboxes instead of its own. The
world hashes each password as Mailcow does, in a process of its own: what the engine and the
program spend themselves is told apart.
"""

import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.rehearsal_stage import STACK, Measured, copy_project, measure, world_for


def _declare(project: Path, count: int) -> None:
    file = project / f"Pulumi.{STACK}.yaml"
    content = yaml.safe_load(file.read_text())
    config = content["config"]
    known = config["mail:mailboxes"]
    more = [
        {"name": f"person{place:04d}", "fullName": f"Person {place}", "quotaMib": 64}
        for place in range(max(count - len(known), 0))
    ]
    config["mail:mailboxes"] = [*known, *more]
    config["mail:host"]["diskGib"] = 1000
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def _deployed(count: int) -> tuple[Measured, Measured]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _declare(copy_project(folder), count)
        with world_for(folder):
            return measure("up", folder), measure("up", folder)


def main() -> None:
    """Measure and print a table."""
    counts = [int(count) for count in sys.argv[1:]] or [10, 100, 1000]
    titles = ("mailboxes", "up s", "ms each", "engine cpu", "ms each", "program cpu", "ms each",
              "peak MiB", "again s")  # fmt: skip
    print("".join(f"{title:>12}" for title in titles))
    least: tuple[int, Measured] | None = None
    for count in counts:
        first, again = _deployed(count)
        least = least or (count, first)
        more = max(count - least[0], 1)
        row = [f"{count}", f"{first.seconds:.1f}"]
        row.append(f"{(first.seconds - least[1].seconds) / more * 1000:.1f}")
        for name in ("own_cpu", "program_cpu"):
            now, then = getattr(first, name), getattr(least[1], name)
            row += [f"{now:.1f}", f"{(now - then) / more * 1000:.1f}"]
        row += [f"{first.peak_mb:.0f}", f"{again.seconds:.1f}"]
        print("".join(f"{cell:>12}" for cell in row), flush=True)
    print("ms each: what a mailbox adds to the first row")


if __name__ == "__main__":
    main()
