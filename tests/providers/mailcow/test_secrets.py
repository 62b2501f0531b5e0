"""Planted secrets are looked for wherever a person, a log or the state could show them."""

import io
import logging

import pytest

from pulumi_kit.scrubbing import REDACTED
from pulumi_mailcow.client import Client, Settings
from pulumi_mailcow.errors import MailcowError, PartlyDoneError
from pulumi_mailcow.scrub import secrets_in
from pulumi_mailcow.testing import API_KEY, Fault, Kind, Mailcow
from tests.providers.mailcow.samples import SAMPLES, Sample
from tests.providers.mailcow.stack import in_loop, program_of, standing

SECRETIVE = [sample for sample in SAMPLES if sample.secret]


def _shows_secret(text: str, sample: Sample) -> bool:
    values = [sample.inputs[sample.secret], sample.changed.get(sample.secret) or API_KEY, API_KEY]
    return any(value[:40] in text or value.splitlines()[-2:-1] == [text] for value in values)


@pytest.mark.parametrize("sample", SECRETIVE, ids=str)
@in_loop
async def test_no_error_no_log_and_no_state_shows_a_secret(sample: Sample) -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    said = []
    try:
        async with standing(sample.needs) as (mailcow, stack):
            for changes in ({}, sample.changed):
                for kind in (Kind.DANGER, Kind.EMPTY, Kind.STATUS, Kind.LOST):
                    mailcow.api.faults.set(Fault(kind))
                    try:
                        await stack.up(program_of(sample.needs, ("it", sample, changes)))
                    except MailcowError as error:
                        said += [str(error), repr(error), str(error.__context__)]
                        if isinstance(error, PartlyDoneError):
                            said += [*error.reasons, str(error.args)]
                    await mailcow.api.lift()
                await stack.up(program_of(sample.needs, ("it", sample, changes)))
            await stack.configure()
            await stack.refresh()
            said += [stack.in_clear(), repr(stack.session.client.settings)]
            output = stack.states["it"].outputs[sample.secret]
            assert output.is_secret
            assert stack.states["it"].inputs[sample.secret].is_secret
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    for text in [*said, log.getvalue()]:
        assert not _shows_secret(text, sample), text


@in_loop
async def test_what_mailcow_echoes_is_scrubbed_before_anything_sees_it() -> None:
    password = "Planted:Echo<1>\n-line"
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, API_KEY)) as client:
        mailcow.api.faults.set(Fault(Kind.DANGER, words=f"no {password} {API_KEY}"))
        with pytest.raises(MailcowError) as refused:
            await client.write("add/relayhost", {"hostname": "h", "password": password})
        assert "Planted" not in str(refused.value)
        assert API_KEY not in str(refused.value)
        assert REDACTED in str(refused.value)


@in_loop
async def test_a_key_with_a_blank_at_its_end_is_refused_and_not_shown() -> None:
    for key in (f"{API_KEY} ", f"{API_KEY}\n", "ké"):
        with pytest.raises(MailcowError, match="letters, digits and hyphens") as refused:
            Client(Settings("http://127.0.0.1:9", key))
        assert key.strip() not in str(refused.value)


def test_secrets_of_a_request_are_known_by_their_names() -> None:
    body = {"items": [1], "attr": {"password": "aaaa", "app_passwd2": "bbbb", "hostname": "cccc",
                                   "private_key_file": "dddd", "password1": "eeee"}}  # fmt: skip
    assert sorted(secrets_in(body)) == ["aaaa", "bbbb", "dddd", "eeee"]
