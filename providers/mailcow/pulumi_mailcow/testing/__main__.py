"""Hold the stand-in to a recording, or serve it: `python -m pulumi_mailcow.testing --help`."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from pulumi_mailcow.testing.pace import Pace
from pulumi_mailcow.testing.recording import read, replay
from pulumi_mailcow.testing.server import Mailcow


async def _replay(file: Path) -> int:
    agree = of = 0
    async for result in replay(read(file)):
        for step, differing in result.differing:
            body = json.dumps(step["body"], ensure_ascii=False)[:160]
            print(f"{result.scenario} {step['step']}: {step['method']} {step['path']} {body}")
            print(*(f"  {difference}" for difference in differing), sep="\n")
        agree, of = agree + result.agree, of + result.of
    print(f"{agree} of {of} answers agree")
    return int(agree != of)


async def _serve(port: int, file: Path | None, pace: float | None) -> int:
    mailcow = Mailcow(file)
    mailcow.api.pace = None if pace is None else Pace(pace)
    await mailcow.start(port=port)
    print(f"{mailcow.url}/api/v1/  X-API-Key: {mailcow.key}  (read-only: {mailcow.read_only_key})")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await mailcow.stop()
    return 0


def main() -> int:
    """Do what the command line says and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pulumi_mailcow.testing", description="A stand-in of Mailcow's API"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    replaying = verbs.add_parser(
        "replay", help="compare its answers with those of the genuine API; 1 if one differs"
    )
    replaying.add_argument("file", type=Path, metavar="FILE", help="a recording, or one in gzip")
    serving = verbs.add_parser("serve", help="listen on loopback until interrupted")
    serving.add_argument("--port", type=int, default=0, help="otherwise any that is free")
    serving.add_argument("--file", type=Path, help="keep the tables here; otherwise in memory")
    serving.add_argument(
        "--pace", type=float, nargs="?", const=1.0, metavar="SCALE",
        help="answer as slowly as the genuine one, with its deadlocks; 0.1 is ten times faster",
    )  # fmt: skip
    options = parser.parse_args()
    try:
        if options.verb == "replay":
            return asyncio.run(_replay(options.file))
        return asyncio.run(_serve(options.port, options.file, options.pace))
    except OSError as error:
        print(f"{error.filename or 'serve'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
