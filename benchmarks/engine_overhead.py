"""Compares an `up` that changes nothing with the bare run of the program under mocks.

Both are whole processes, imports included; the figures are medians. Without the official SDKs
the program imports next to nothing, which is the hardest case for the engine: two processes
start instead of one, and the key of the state's secrets is derived.

    python -m benchmarks.engine_overhead [ROUNDS]
"""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.engine_stage import measure, write_project

COUNT = 68


def main() -> None:
    """Measure and print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"{COUNT} resources, medians of {rounds} rounds, seconds")
    print(f"{'program':28}{'mocks':>8}{'engine':>8}{'ratio':>8}{'own run':>9}")
    for sdks in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            write_project(Path(folder), COUNT, sdks=sdks)
            measure("engine", Path(folder))
            # Taken in turns: what else the machine does falls on both alike.
            pairs = [
                (measure("mocks", Path(folder)), measure("engine", Path(folder)))
                for _ in range(rounds)
            ]
        bare = statistics.median(mocks.seconds for mocks, _ in pairs)
        full = statistics.median(engine.seconds for _, engine in pairs)
        inner = statistics.median(engine.inner for _, engine in pairs)
        name = "imports four official SDKs" if sdks else "imports none"
        print(f"{name:28}{bare:8.2f}{full:8.2f}{full / bare:8.2f}{inner:9.2f}")


if __name__ == "__main__":
    main()
