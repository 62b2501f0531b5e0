"""The engine with the real provider of Mailcow, where Mailcow does half of what it is told."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from tests.providers.mailcow.fake import API_KEY, FakeMailcow

from pulumi_mailcow.provider import MailcowProvider
from tests.engine.stage import Stage, changed

PROGRAM = """
import pulumi, pulumi_mailcow as mailcow
config = pulumi.Config()
server = mailcow.Provider("mailcow", endpoint=config.require("endpoint"),
                          api_key=config.require_secret("apiKey"))
opts = pulumi.ResourceOptions(provider=server)
domain = mailcow.Domain("domain", domain="example.org", opts=opts)
alias = mailcow.Alias("alias", address="info@example.org", goto={goto},
                      opts=pulumi.ResourceOptions(provider=server, depends_on=[domain]))
mailcow.Alias("other", address="other@example.org", goto=["c@example.net"],
              opts=pulumi.ResourceOptions(provider=server, depends_on=[alias]))
"""


@pytest.fixture
def fake() -> Iterator[FakeMailcow]:
    """A Mailcow that runs on while the engine's loops come and go."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    api = FakeMailcow()
    try:
        asyncio.run_coroutine_threadsafe(api.start(), loop).result(10)
        yield api
        asyncio.run_coroutine_threadsafe(api.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_a_half_done_alias_is_noted_and_finished_at_the_next_run(
    stage: Stage, fake: FakeMailcow
) -> None:
    stage.options["providers"] = {"mailcow": MailcowProvider}
    stage.config["test:endpoint"] = f"http://127.0.0.1:{fake.port}"
    stage.secret("apiKey", API_KEY)
    half = ["a@example.net", "invalid@x.net"]
    outcome = stage.program(PROGRAM.format(goto=half), "").engine().up()
    assert not outcome.ok
    (error,) = outcome.errors
    assert "invalid@x.net" in error.message
    entry = stage.resources()["alias"]
    assert entry["initErrors"]
    assert entry["outputs"]["goto"] == ["a@example.net"]
    assert "other" not in stage.resources()
    whole = ["a@example.net", "b@example.net"]
    outcome = stage.program(PROGRAM.format(goto=whole), "").engine().up()
    assert outcome.ok, outcome.diagnostics
    assert changed(outcome) == ["update alias", "create other"]
    assert [row["goto"] for row in fake.aliases.values()] == [
        "a@example.net,b@example.net",
        "c@example.net",
    ]
    assert "initErrors" not in stage.resources()["alias"]
    assert not stage.engine().up().changed
