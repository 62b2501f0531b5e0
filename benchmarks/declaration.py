"""What reading a declaration costs, beside what importing pydantic and yaml costs by itself.

    python -m benchmarks.declaration [RUNS]

Each run is a process of its own. Printed are processor seconds, and the ratio; the goal is 1.5.
"""

import statistics
import subprocess
import sys
from pathlib import Path

_RUN = """
import time
start = time.process_time()
import yaml
from pydantic import BaseModel
class Part(BaseModel):
    port: int = 1
Part(port=2)
alone = time.process_time()
from pathlib import Path
from declaration import reading
file = Path("Pulumi.qual.yaml")
reading.check(reading.load_values(file), file)
print(alone - start, time.process_time() - start)
"""
PROJECT = Path(__file__).parents[1]


def main(runs: int) -> None:
    """Measure and print."""
    figures = []
    for _ in range(runs):
        answer = subprocess.run(
            [sys.executable, "-c", _RUN], cwd=PROJECT, capture_output=True, text=True, check=True
        )
        figures.append(tuple(float(figure) for figure in answer.stdout.split()))
    alone, whole = (statistics.median(column) for column in zip(*figures, strict=True))
    ratio = statistics.median(reading / imports for imports, reading in figures)
    print(f"pydantic and yaml {alone:.2f} s, with the declaration {whole:.2f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
