"""Shows what the engine costs beyond its imports: a no-change `up` of `qual`, and masking secrets.

    python -m benchmarks.engine_fixed

The first table is processor time of the engine's own process, imports already done. The key of the
state's secrets is derived once for each passphrase and salt. The second table learns the secrets of
so many mailboxes, one at a time as a deployment does, and masks a line after each.
"""

import secrets
import tempfile
import time
from pathlib import Path

from benchmarks.rehearsal_stage import copy_project, stage_of, world_for
from rehearsal.engine import sealing
from rehearsal.engine.scrub import Scrubber
from rehearsal.stage import Stage


def _up(stage: Stage) -> float:
    engine = stage.engine(stage.world())
    begun = time.process_time()
    outcome = engine.up()
    if not outcome.ok:
        raise SystemExit("\n".join(error.message for error in outcome.errors))
    return time.process_time() - begun


def _fixed() -> None:
    begun = time.process_time()
    sealing.Sealer("passphrase")
    key = time.process_time() - begun
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        with world_for(folder):
            stage = stage_of(folder)
            _up(stage)  # Deploys, and imports whatever is imported late.
            again = min(_up(stage) for _ in range(3))
    print("processor seconds")
    print(f"  key derivation, once per command  {key:6.2f}")
    print(f"  no-change up, key already there   {again:6.2f}")


def _masking() -> None:
    print(f"{'mailboxes':>12}{'seconds':>10}{'ms each':>10}")
    for count in (100, 1_000, 10_000):
        scrubber = Scrubber()
        begun = time.process_time()
        for number in range(count):
            password = secrets.token_urlsafe(18)
            scrubber.learn([password])
            scrubber.scrub(f"mailbox person{number}@example.com was told {password} and took it")
        took = time.process_time() - begun
        print(f"{count:>12,}{took:>10.2f}{took / count * 1000:>10.2f}")


def main() -> None:
    """Measure and print tables."""
    _masking()
    _fixed()


if __name__ == "__main__":
    main()
