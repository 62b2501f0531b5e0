"""Waiting that a genuine server needs, and a stand-in does not."""

import pytest

from pulumi_mailcow import client, driver
from pulumi_mailcow.objects import mailbox


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LOOKS", (0.0, 0.01, 0.01))
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(mailbox, "CLOCK_TICK", 0.0)
