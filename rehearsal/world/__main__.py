"""`python -m rehearsal.world run FOLDER`: be the world that the folder's order describes."""

import asyncio
import logging
import sys
from pathlib import Path

from rehearsal.world.process import run
from rehearsal.world.world import WorldError


def main() -> int:
    """Run until told to stop; return the exit code."""
    if len(sys.argv) != 3 or sys.argv[1] != "run":
        sys.stderr.write("usage: python -m rehearsal.world run FOLDER\n")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        asyncio.run(run(Path(sys.argv[2])))
    except WorldError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
