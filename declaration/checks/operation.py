"""Operation: the backup is often enough, kept long enough, and stays where it may."""

import re
from collections.abc import Iterator
from datetime import date

from declaration.checks.registry import Finding, check
from declaration.model import Declaration
from declaration.names import mail_host, web_hosts
from declaration.residency import region_fault

LEAST_RETENTION = {"daily": 7, "weekly": 4, "monthly": 6}
"""Snapshots that must at least be kept of each kind."""

_DAILY = re.compile(r"\*-\*-\* ([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)? UTC")


@check("backup")
def _retention(declaration: Declaration, _today: date) -> Iterator[Finding]:
    kept = declaration.backup.retention.model_dump()
    for kind, least in LEAST_RETENTION.items():
        if kept[kind] < least:
            place = ("backup", "retention", kind)
            yield place, f"{kept[kind]} is too few; keep at least {least}"


@check("backup")
def _schedule(declaration: Declaration, _today: date) -> Iterator[Finding]:
    schedule = declaration.backup.schedule
    if not _DAILY.fullmatch(schedule):
        message = f'"{schedule}" is not once a day at a time in UTC'
        yield ("backup", "schedule"), f'{message}; write "*-*-* 03:00:00 UTC"'


@check("backup", "host", "domain", "zone", "web")
def _off_the_host(declaration: Declaration, today: date) -> Iterator[Finding]:
    backup, domain = declaration.backup, declaration.domain
    server = backup.server.partition(":")[0]
    hosts = (
        mail_host(domain, declaration.zone),
        *web_hosts(domain, declaration.web, declaration.zone),
    )
    here = server in (declaration.host.address, *hosts) or server == "localhost"
    here = here or server.startswith("127.")
    knowingly = backup.on_the_host
    if knowingly is None and here:
        message = f"{server} is the host itself: what takes the host takes the backup along"
        way_out = "name a server elsewhere, or declare backup.onTheHost with a reason and an end"
        yield ("backup", "server"), f"{message}; {way_out}"
    elif knowingly is not None and knowingly.until < today:
        message = f"{knowingly.until} is over; move the backup to another server"
        yield ("backup", "onTheHost", "until"), message


@check("backup")
def _region(declaration: Declaration, _today: date) -> Iterator[Finding]:
    fault = region_fault(declaration.backup.region)
    if fault:
        yield ("backup", "region"), fault


@check("backup")
def _bucket(declaration: Declaration, _today: date) -> Iterator[Finding]:
    bucket = declaration.backup.bucket
    if ".." in bucket or re.fullmatch(r"[\d.]+", bucket):
        yield ("backup", "bucket"), f'"{bucket}" is no name for a bucket'


@check("monitoring")
def _exporter_image(declaration: Declaration, _today: date) -> Iterator[Finding]:
    image = declaration.monitoring.exporter_image
    if image.endswith(":latest"):
        yield ("monitoring", "exporterImage"), f"{image} names no release; give its tag"
