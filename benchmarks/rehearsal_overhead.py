"""Compares an `up` of `qual` that changes nothing with the bare run of its program under mocks.

Both are whole processes, imports included; the figures are medians. Before, the first deployment
is taken apart: when each part was done, and which resources took longest.

    python -m benchmarks.rehearsal_overhead [ROUNDS]
"""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.rehearsal_stage import Measured, copy_project, measure, world_for


def _say_first(first: Measured, world: float) -> None:
    print(f"first deployment: world {world:.1f} s, up {first.seconds:.1f} s")
    clock = {name: at for name, at in first.parts.items() if ": " not in name}
    for name, at in sorted(clock.items(), key=lambda pair: pair[1]):
        if name not in {"changed", "resources"}:
            print(f"  {name:24} done after {at:6.2f} s")
    slow = {name: took for name, took in first.parts.items() if ": " in name}
    for name, took in sorted(slow.items(), key=lambda pair: -pair[1])[:10]:
        print(f"    {name:40} took {took:6.2f} s")


def main() -> None:
    """Measure and print tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        with world_for(folder) as world:
            _say_first(measure("up", folder), world)
            # Taken in turns: what else the machine does falls on both alike.
            pairs = [(measure("mocks", folder), measure("up", folder)) for _ in range(rounds)]
    bare = statistics.median(mocks.seconds for mocks, _ in pairs)
    full = statistics.median(up.seconds for _, up in pairs)
    own = statistics.median(up.own_cpu for _, up in pairs)
    program = statistics.median(up.program_cpu for _, up in pairs)
    changed = {up.parts["changed"] for _, up in pairs}
    print(f"no-change up of {pairs[0][1].parts['resources']:.0f} resources, medians of {rounds}")
    print(f"  changed {changed}")
    print(f"  mocks {bare:.2f} s   up {full:.2f} s   ratio {full / bare:.2f}")
    print(f"  processor: engine {own:.2f} s, program {program:.2f} s,"
          f" mocks {statistics.median(mocks.own_cpu for mocks, _ in pairs):.2f} s")  # fmt: skip


if __name__ == "__main__":
    main()
