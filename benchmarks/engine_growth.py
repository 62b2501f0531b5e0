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
    titles = ("resources", "seconds", "engine cpu", "ms each", "program cpu", "ms each", "peak MiB")
    print("".join(f"{title:>13}" for title in titles))
    least: tuple[float, float] | None = None
    for count in (10, 100, 1000):
        taken = _created(count, rounds)
        engine = statistics.median(figure.own_cpu for figure in taken)
        program = statistics.median(figure.program_cpu for figure in taken)
        least = least or (engine, program)
        more = max(count - 10, 1)
        row = (
            f"{count}",
            f"{statistics.median(figure.seconds for figure in taken):.2f}",
            f"{engine:.2f}",
            f"{(engine - least[0]) / more * 1000:.1f}",
            f"{program:.2f}",
            f"{(program - least[1]) / more * 1000:.1f}",
            f"{statistics.median(figure.peak_mb for figure in taken):.0f}",
        )
        print("".join(f"{cell:>13}" for cell in row))
    print("ms each: processor time that a resource adds to the run of ten")


if __name__ == "__main__":
    main()
