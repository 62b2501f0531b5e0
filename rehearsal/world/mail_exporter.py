"""The exporter that the monitoring deploys: a container that answers `/metrics`."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from rehearsal.world.service import LOOPBACK, Service

_ANSWER_SECONDS = 1.0


def _quoted(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def metrics(host: str, mailcow: Service | None) -> str:
    """Return what the exporter says of a Mailcow, in Prometheus' text format.

    `mailcow` is the world's Mailcow API, absent in a world without one; names and labels are
    those of ghcr.io/mailcow/prometheus-exporter.
    """
    people: Any = getattr(mailcow, "people", lambda: ())()
    mailboxes = getattr(people, "mailboxes", people)
    if isinstance(mailboxes, dict):
        mailboxes = list(mailboxes)
    success = int(mailcow is not None)
    lines = ["# TYPE mailcow_exporter_success gauge"]
    lines += [
        f"mailcow_exporter_success{_quoted(host=host, provider=provider)} {success}"
        for provider in ("mailq", "mailbox", "quarantine", "container", "rspamd", "domain")
    ]
    lines += [
        "# TYPE mailcow_api_success gauge",
        f"mailcow_api_success{_quoted(host=host, endpoint='get/mailbox/all')} {success}",
        "# TYPE mailcow_mailq gauge",
        f"mailcow_mailq{_quoted(host=host, queue='deferred', sender='')} 0",
        "# TYPE mailcow_quarantine_count gauge",
        f"mailcow_quarantine_count{_quoted(host=host)} 0",
        "# TYPE mailcow_mailbox_messages gauge",
    ]
    for mailbox in mailboxes or ():
        address = getattr(mailbox, "address", None) or getattr(mailbox, "username", None)
        labels = _quoted(host=host, mailbox=str(address or mailbox))
        lines.append(f"mailcow_mailbox_messages{labels} 0")
    return "\n".join(lines) + "\n"


class Exporter:
    """One running exporter on a free port of loopback."""

    def __init__(self, environment: dict[str, str], mailcow: Callable[[], Service | None]) -> None:
        """Take the container's environment and how the world's Mailcow API is found."""
        self._host = environment.get("MAILCOW_EXPORTER_HOST", "")
        key = environment.get("MAILCOW_EXPORTER_API_KEY", "")
        self._token = environment.get("MAILCOW_EXPORTER_SECURITY_TOKEN", key)
        self._mailcow = mailcow
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_ANSWER_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._token and request.query.get("token") != self._token:
            return web.Response(status=401, text="invalid token\n")
        text = await asyncio.to_thread(metrics, self._host, self._mailcow())
        return web.Response(text=text, content_type="text/plain")
