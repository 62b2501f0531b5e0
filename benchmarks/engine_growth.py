"""Shows how creating 10, 100 and 1,000 resources grows in time and memory.

    python -m benchmarks.engine_growth [ROUNDS]

`engine cpu` is what the engine's process spends itself, imports and key derivation included;
`program cpu` is spent by the SDK in the program's process, under the genuine engine as well.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.engine_stage import Measured, measure, write_project


def _created(count: int, rounds: int) -> list[Measured]:
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            write_project(Path(folder), count, sdks=False)
            found.append(measure("engine", Path(folder)))
    return found


def main() -> None:
    """Measure and print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"creation, medians of {rounds} rounds")
    titles = ("resources", "seconds", "ms each", "engine cpu", "program cpu", "peak MiB")
    print("".join(f"{title:>13}" for title in titles))
    least = None
    for count in (10, 100, 1000):
        taken = _created(count, rounds)
        seconds = statistics.median(one.seconds for one in taken)
        least = seconds if least is None else least
        row = (
            f"{count}",
            f"{seconds:.2f}",
            f"{(seconds - least) / count * 1000:.1f}",
            f"{statistics.median(one.own_cpu for one in taken):.2f}",
            f"{statistics.median(one.program_cpu for one in taken):.2f}",
            f"{statistics.median(one.peak_mb for one in taken):.0f}",
        )
        print("".join(f"{cell:>13}" for cell in row))
    print("ms each: what a resource adds to the time of a run of ten")


if __name__ == "__main__":
    main()
