"""The engine with the real provider of Mailcow, where Mailcow does half of what it is told."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from pulumi_mailcow.provider import MailcowProvider
from pulumi_mailcow.testing import API_KEY, Mailcow
from tests.engine.stage import Stage, changed
from tests.providers.mailcow.stack import kept

PROGRAM = """
import pulumi, pulumi_mailcow as mailcow
config = pulumi.Config()
server = mailcow.Provider("mailcow", endpoint=config.require("endpoint"),
                          api_key=config.require_secret("apiKey"))
opts = pulumi.ResourceOptions(provider=server)
domain = mailcow.Domain("domain", domain="example.org", opts=opts)
room = mailcow.Resource("room", domain="example.org", description="room",
                        opts=pulumi.ResourceOptions(provider=server, depends_on=[domain]))
alias = mailcow.Alias("alias", address="info@example.org", goto={goto},
                      opts=pulumi.ResourceOptions(provider=server, depends_on=[room]))
mailcow.Alias("other", address="other@example.org", goto=["c@example.net"],
              opts=pulumi.ResourceOptions(provider=server, depends_on=[alias]))
"""


@pytest.fixture
def server() -> Iterator[Mailcow]:
    """A Mailcow that runs on while the engine's loops come and go."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    mailcow = Mailcow()
    try:
        asyncio.run_coroutine_threadsafe(mailcow.__aenter__(), loop).result(30)
        yield mailcow
        closing = mailcow.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(closing, loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_a_half_done_alias_is_noted_and_finished_at_the_next_run(
    stage: Stage, server: Mailcow
) -> None:
    stage.options["providers"] = {"mailcow": MailcowProvider}
    stage.config["test:endpoint"] = server.url
    stage.secret("apiKey", API_KEY)
    half = ["a@example.net", "room@example.org"]
    outcome = stage.program(PROGRAM.format(goto=half), "").engine().up()
    assert not outcome.ok
    (error,) = outcome.errors
    assert "room@example.org" in error.message
    entry = stage.resources()["alias"]
    assert entry["initErrors"]
    assert entry["outputs"]["goto"] == ["a@example.net"]
    assert "other" not in stage.resources()
    whole = ["a@example.net", "b@example.net"]
    outcome = stage.program(PROGRAM.format(goto=whole), "").engine().up()
    assert outcome.ok, outcome.diagnostics
    assert changed(outcome) == ["update alias", "create other"]
    (row,) = kept(server, "alias WHERE address = 'info@example.org'")
    assert row["goto"] == "a@example.net,b@example.net"
    assert "initErrors" not in stage.resources()["alias"]
    assert not stage.engine().up().changed
