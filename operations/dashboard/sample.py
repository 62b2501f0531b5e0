"""Sample data: three months of a company's mail, with a bad night, for drawing and for tests.

The numbers are invented and always the same.
"""

import json
import math
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from declaration.model import Declaration
from operations.dashboard.prometheus import PATIENCE, Prometheus
from rehearsal.parts import need

NOW = int(datetime(2027, 3, 1, 9, 0, tzinfo=UTC).timestamp())
"""The moment of the picture."""
_DAY, _HOUR = 86400, 3600
_START_SECONDS = 30.0
_LOOPBACK = "127.0.0.1"
Value = Callable[[int], float | None]
"""A measurement by time; None where there is none."""


def _hourly(days: int) -> range:
    return range(NOW - days * _DAY, NOW + 1, _HOUR)


def _often(hours: int = 26) -> range:
    return range(NOW - hours * _HOUR, NOW + 1, 120)


class _Text:
    """Series as OpenMetrics, which Prometheus takes as if it had measured them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, name: str, kind: str, moments: range, series: dict[str, Value]) -> None:
        """Write one metric: its series by labels, the labels with their braces."""
        self.lines.append(f"# TYPE {name.removesuffix('_total')} {kind}")
        for labels, value in series.items():
            for at in moments:
                found = value(at)
                if found is not None:
                    self.lines.append(f"{name}{labels} {found:.6g} {at}")


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _trouble(at: int) -> float:
    """Return how bad the night is at a moment, from 0 to 1: the smarthost put mail off at 02:00."""
    hours = (at - (NOW - 7 * _HOUR)) / _HOUR
    return math.exp(-((hours / 0.8) ** 2))


def _people(declaration: Declaration) -> list[str]:
    return [f"{mailbox.name}@{declaration.domain}" for mailbox in declaration.mailboxes]


def _noise(seed: str, at: int, spread: float) -> float:
    # Nobody's secret: the same picture every time.
    return random.Random(f"{seed}{at // 1800}").uniform(-spread, spread)  # noqa: S311


def _mail(text: _Text) -> None:
    queues: dict[str, Value] = {
        _labels(queue="deferred"): lambda at: round(2 + 40 * _trouble(at - 1200)),
        _labels(queue="active"): lambda at: round(abs(_noise("active", at, 3))),
        _labels(queue="incoming"): lambda at: round(abs(_noise("incoming", at, 1.4))),
    }
    text.add("po_mail_queue_messages", "gauge", _often(), queues)
    text.add("po_mail_queue_readable", "gauge", _often(), {"": lambda _at: 1})
    oldest: Value = lambda at: 300 + 4000 * _trouble(at - 2400) + _noise("age", at, 200)  # noqa: E731
    text.add("po_mail_queue_oldest_seconds", "gauge", _often(), {"": oldest})

    def refused(height: float) -> Value:
        total = 0.0
        counted: dict[int, float] = {}
        for at in _often(50):
            total += height * _trouble(at)
            counted[at] = float(int(total))
        return lambda at: counted[at]

    heights = {"authentication": 0.0, "tls": 0.0, "rejected": 0.05, "postponed": 0.36}
    series = {_labels(reason=one): refused(height) for one, height in heights.items()}
    text.add("po_mail_relay_refused_total", "counter", _often(50), series)


def _standing(text: _Text, declaration: Declaration) -> None:
    address = declaration.host.address
    zones = declaration.monitoring.dnsbl
    text.add("po_mail_dnsbl_answers", "gauge", _often(),
             {_labels(zone=zone): lambda _at: 1 for zone in zones})  # fmt: skip
    text.add("po_mail_dnsbl_listed", "gauge", _often(),
             {_labels(zone=zone, address=address): lambda _at: 0 for zone in zones})  # fmt: skip

    def messages(first: float, last: float) -> Value:
        begin = NOW - 30 * _DAY
        return lambda at: round(first + (last - first) * (at // _DAY * _DAY - begin) / (30 * _DAY))

    reported: dict[str, Value] = {
        _labels(source="Resend", aligned="yes"): messages(820, 1240),
        _labels(source="Resend", aligned="no"): messages(9, 12),
        _labels(source="Newsletter", aligned="yes"): messages(150, 310),
        _labels(source="Newsletter", aligned="no"): messages(40, 5),
        _labels(source="unknown", aligned="yes"): messages(0, 0),
        _labels(source="unknown", aligned="no"): messages(14, 38),
    }
    text.add("po_mail_dmarc_messages", "gauge", _hourly(31), reported)
    text.add("po_mail_dmarc_last_report_timestamp_seconds", "gauge", _hourly(2),
             {"": lambda _at: NOW - 31 * _HOUR})  # fmt: skip


def _backups(text: _Text) -> None:
    def night(at: int) -> int:
        return (at - 3 * _HOUR) // _DAY

    values: dict[str, Value] = {
        "last_success_timestamp_seconds": lambda at: night(at) * _DAY + 3 * _HOUR + 420,
        "last_run_success": lambda _at: 1,
        "running": lambda _at: 0,
        "last_run_duration_seconds": lambda at: 300 + night(at) % 7 * 22 + night(at) % 31 * 3,
        "size_bytes": lambda at: 6.1e9 + (night(at) - NOW // _DAY) * 2.2e7,
    }
    for name, value in values.items():
        text.add(f"po_mail_backup_{name}", "gauge", _hourly(31), {"": value})
    drill: dict[str, Value] = {
        "last_success_timestamp_seconds": lambda _at: NOW - 41 * _DAY,
        "last_run_success": lambda _at: 1,
        "running": lambda _at: 0,
    }
    for name, value in drill.items():
        text.add(f"po_mail_drill_{name}", "gauge", _hourly(2), {"": value})


def _host(text: _Text, declaration: Declaration) -> None:
    host = declaration.names.mail_host
    end = NOW + 52 * _DAY

    def expiry(at: int) -> float:
        return end if at > end - 90 * _DAY else end - 60 * _DAY

    text.add("po_mail_certificate_expiry_timestamp_seconds", "gauge", _hourly(91),
             {_labels(host=host): expiry})  # fmt: skip
    text.add("po_mail_certificate_delivery_success", "gauge", _often(),
             {_labels(host=host): lambda _at: 1})  # fmt: skip
    text.add("up", "gauge", _often(),
             {_labels(job="po-mail", instance="127.0.0.1:9099"): lambda _at: 1})  # fmt: skip
    providers = ("mailq", "mailbox", "container", "rspamd")
    text.add("mailcow_exporter_success", "gauge", _often(),
             {_labels(host=host, provider=provider): lambda _at: 1
              for provider in providers})  # fmt: skip
    containers = ("postfix", "dovecot", "nginx", "mysql", "redis", "rspamd", "unbound", "sogo")
    text.add("mailcow_container_running", "gauge", _often(),
             {_labels(host=host, container=f"{container}-mailcow"): lambda _at: 1
              for container in containers})  # fmt: skip

    def used(place: int) -> Value:
        return lambda at: (12 + 11 * place % 83) * 1e8 + (at - NOW) * 40 * (place + 1)

    people = list(enumerate(_people(declaration)))
    text.add("mailcow_mailbox_quota_used", "gauge", _often(),
             {_labels(mailbox=one): used(place) for place, one in people})  # fmt: skip
    text.add("mailcow_mailbox_quota_allowed", "gauge", _often(),
             {_labels(mailbox=one): lambda _at: 1e10 for _, one in people})  # fmt: skip
    disks = {"/": (2e11, 0.61, 7e4), "/boot": (1e9, 0.34, 0)}
    size: dict[str, Value] = {}
    left: dict[str, Value] = {}
    for place, (whole, share, growth) in disks.items():
        labels = _labels(mountpoint=place, fstype="ext4")
        size[labels] = lambda _at, whole=whole: whole  # type: ignore[misc]  # bound at once
        left[labels] = lambda at, w=whole, s=share, g=growth: w * (1 - s) - (at - NOW) * g  # type: ignore[misc]  # as above
    text.add("node_filesystem_size_bytes", "gauge", _often(), size)
    text.add("node_filesystem_avail_bytes", "gauge", _often(), left)
    rates = {"no action": 0.9, "add header": 0.12, "reject": 0.3, "greylist": 0.2}

    def verdicts(name: str, rate: float) -> Value:
        total, counted = 0.0, {}
        for at in _often():
            daily = 1 + 0.8 * math.sin((at % _DAY) / _DAY * 2 * math.pi - 1.8)
            total += 2 * max(0.0, rate * daily + _noise(name, at, rate / 3))
            counted[at] = total
        return counted.get

    text.add("mailcow_rspamd_action", "gauge", _often(),
             {_labels(host=host, action=one): verdicts(one, rate)
              for one, rate in rates.items()})  # fmt: skip


def openmetrics(declaration: Declaration) -> str:
    """Return the sample data of a declaration in OpenMetrics' text format."""
    text = _Text()
    _mail(text)
    _standing(text, declaration)
    _backups(text)
    _host(text, declaration)
    return "\n".join([*text.lines, "# EOF"]) + "\n"


@contextmanager
def prometheus_with(measured: str, now: float) -> Iterator[Prometheus]:
    """Run a genuine Prometheus that holds measurements, on loopback, until the block ends.

    Args:
        measured: The measurements, as OpenMetrics.
        now: The moment to look at, in seconds since the epoch.

    Raises:
        PartMissingError: it is not installed.
        RuntimeError: it does not take the data, or does not start.
    """
    programs = need("promtool"), need("prometheus")
    with tempfile.TemporaryDirectory(prefix="po-mail-dashboard-") as name:
        folder = Path(name)
        (folder / "sample.txt").write_text(measured)
        (folder / "prometheus.yml").write_text(json.dumps({}))
        done = subprocess.run(  # noqa: S603  # no shell, words of ours
            [programs[0], "tsdb", "create-blocks-from", "openmetrics", "--quiet",
             "--max-block-duration=2400h", folder / "sample.txt", folder / "data"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"promtool: {done.stderr.strip()}")
        with (
            _running(programs[1], folder) as address,
            httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client,
        ):
            _await(client, folder)
            yield Prometheus(client, now)


@contextmanager
def _running(program: Path, folder: Path) -> Iterator[str]:
    with socket.create_server((_LOOPBACK, 0)) as probe:
        address = f"{_LOOPBACK}:{probe.getsockname()[1]}"
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(  # noqa: S603  # as above
            [program, f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={folder / 'data'}", "--storage.tsdb.retention.time=100y",
             # The sample measures once an hour what changes once a day.
             "--query.lookback-delta=61m", f"--web.listen-address={address}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _await(client: httpx.Client, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if client.get("/-/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"prometheus does not start: {(folder / 'log').read_text()[-2000:]}")
