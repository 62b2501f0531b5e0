"""SPF records of other domains, kept in a file, so that a check needs no network.

    python -m policies.snapshot refresh [--resolver ADDRESS] [--port PORT]

looks every record up again that the file holds or that one of them includes, and writes the day
into it. Nothing else ever asks the network.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from readers.dns import DnsFailureError
from readers.resolving import blocking
from readers.spf.record import parse, records_among

FILE = Path(__file__).parent / "snapshots" / "spf.json"
"""Where the snapshot lies."""


@dataclass(frozen=True)
class Snapshot:
    """What other domains published.

    Attributes:
        taken: Day of the look-up; None for records that were written down by hand.
        refresh_after: Age beyond which a check asks for a refresh.
        records: SPF text by name; empty where a name has none.
    """

    taken: date | None = None
    refresh_after: timedelta = timedelta(days=180)
    records: Mapping[str, str] = field(default_factory=dict)

    def fault(self, today: date) -> str | None:
        """Return why the snapshot should be refreshed, or None."""
        if self.taken is None:
            return "the snapshot of SPF records was written by hand and never looked up"
        if today - self.taken > self.refresh_after:
            age = (today - self.taken).days
            return f"the snapshot of SPF records is of {self.taken}, {age} days old"
        return None


def load(path: Path = FILE) -> Snapshot:
    """Return the snapshot in a file."""
    given = json.loads(path.read_text("utf-8"))
    taken = given["taken"]
    return Snapshot(
        date.fromisoformat(taken) if taken else None,
        timedelta(days=given["refreshAfterDays"]),
        {name.lower(): text for name, text in given["records"].items()},
    )


def refreshed(
    names: Sequence[str], resolver: str | None = None, port: int = 53, seconds: float = 10
) -> dict[str, str]:
    """Look up SPF records, those included by them too.

    Args:
        names: Names to begin with.
        resolver: Address of the resolver; the system's when absent.
        port: Port of the resolver.
        seconds: How long one look-up may take.

    Raises:
        DnsFailureError: a look-up failed; one that finds nothing has not failed.
    """
    import dns.resolver  # noqa: PLC0415 - only a refresh needs the network

    asked = dns.resolver.Resolver(configure=resolver is None)
    if resolver is not None:
        asked.nameservers, asked.port = [resolver], port
    asked.lifetime = seconds
    ask = blocking(asked)
    records: dict[str, str] = {}
    waiting = [name.lower() for name in names]
    while waiting:
        name = waiting.pop()
        if name not in records:
            records[name] = next(iter(records_among(ask(name, "TXT"))), "")
            waiting += parse(records[name]).names()
    return dict(sorted(records.items()))


def write(path: Path, records: Mapping[str, str], taken: date, refresh_after: timedelta) -> None:
    """Write a snapshot."""
    document = {
        "taken": taken.isoformat(),
        "refreshAfterDays": refresh_after.days,
        "records": dict(records),
    }
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Refresh the snapshot, or show it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m policies.snapshot", description=__doc__)
    parser.add_argument("action", choices=("show", "refresh"))
    parser.add_argument("--resolver", help="address of the resolver; the system's when absent")
    parser.add_argument("--port", type=int, default=53, help="port of the resolver")
    parser.add_argument("--seconds", type=float, default=10, help="for one look-up")
    parser.add_argument("--file", type=Path, default=FILE, help="the snapshot")
    parser.add_argument("names", nargs="*", help="further names to look up")
    options = parser.parse_args(arguments)
    before = load(options.file)
    if options.action == "refresh":
        try:
            records = refreshed(
                [*before.records, *options.names], options.resolver, options.port, options.seconds
            )
        except (DnsFailureError, OSError) as error:
            sys.stderr.write(f"nothing was written: {error}\n")
            return 1
        write(options.file, records, datetime.now(UTC).date(), before.refresh_after)
    shown = load(options.file)
    for name, text in shown.records.items():
        sys.stdout.write(f"{name}  {text or 'none'}\n")
    sys.stdout.write(f"taken {shown.taken or 'never'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
