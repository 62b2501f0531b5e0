"""What is asked, in which order, and how an answer becomes values of the declaration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from declaration.names import POSTMASTER
from declaration.residency import WITHIN_EU
from declaration.smarthost_providers import PROVIDERS
from operations.new.draft import Draft, mailbox
from operations.site.editing import REMOVED

QUOTA = 4096
"""Quota of a mailbox in MiB, unless another one is said."""

Answer = Callable[[Draft, Sequence[str]], Mapping[str, Any]]


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        option: Word of the option that answers it.
        path: Where the answer stands, without `mail:`.
        words: What is asked.
        values: Returns the values that follow from the answers; one, unless it takes several.
        default: Returns the answer that is proposed, None where nothing can be.
        several: Whether it takes several answers.
        needed: Whether it is asked at all, as far as the draft goes.
    """

    option: str
    path: str
    words: str
    values: Answer
    default: Callable[[Draft], str | None] = lambda _: None
    several: bool = False
    needed: Callable[[Draft], bool] = lambda _: True


def _text(path: str) -> Answer:
    return lambda _, answers: {path: answers[0].strip()}


def _number(path: str) -> Answer:
    def values(_: Draft, answers: Sequence[str]) -> Mapping[str, Any]:
        text = answers[0].strip()
        return {path: int(text) if text.isascii() and text.isdigit() else text}

    return values


def _european(provider: str) -> str | None:
    """Return the first region of a smarthost that lies in the EU."""
    row = PROVIDERS.get(provider)
    inside = [name for name, land in row.regions.items() if land in WITHIN_EU] if row else []
    return inside[0] if inside else None


def _provider(draft: Draft, answers: Sequence[str]) -> Mapping[str, Any]:
    """Forget the account of the example's provider with it."""
    provider = answers[0].strip()
    region = _european(provider) or draft.value("smarthost.region")
    return {
        "smarthost.provider": provider, "smarthost.region": region, "smarthost.user": REMOVED,
    }  # fmt: skip


def _has_own_user(draft: Draft) -> bool:
    row = PROVIDERS.get(draft.value("smarthost.provider"))
    return row is not None and row.user is None


def named(answers: Sequence[str]) -> list[str]:
    """Return the names of the mailboxes; postmaster is always one."""
    names = [answer.partition("=")[0].strip() for answer in answers]
    return names if POSTMASTER in names else [POSTMASTER, *names]


def mailboxes(quota: int, published: Sequence[str] | None) -> Answer:
    """Return how `name=Full name` becomes mailboxes; postmaster is always one.

    Args:
        quota: Quota of each in MiB.
        published: Names that stand on the website, the first mailbox if empty; None for nobody.
    """

    def values(_: Draft, answers: Sequence[str]) -> Mapping[str, Any]:
        full_names = {answer.partition("=")[0].strip(): answer.partition("=")[2].strip()
                      for answer in answers}  # fmt: skip
        pairs = [(name, full_names.get(name, "")) for name in named(answers)]
        shown = set() if published is None else set(published) or set(list(full_names)[:1])
        return {
            "mailboxes": [
                mailbox(name, full or name.capitalize(), quota, published=name in shown)
                for name, full in pairs
            ]
        }

    return values


def questions(quota: int, published: Sequence[str] | None) -> tuple[Question, ...]:
    """Return the questions in their order; the domain comes early, to ask the DNS with it.

    Args:
        quota: As for `mailboxes`.
        published: As for `mailboxes`.
    """
    countries = ", ".join(sorted(WITHIN_EU))
    return (
        Question("company", "company", "Name of the company, as people read it", _text("company")),
        Question("domain", "domain", "Mail domain, such as example.com", _text("domain")),
        Question(
            "address", "host.address", "Public IPv4 address of the host", _text("host.address")
        ),
        Question("cpus", "host.cpus", "Virtual CPUs of the host", _number("host.cpus")),
        Question("memory", "host.memoryMib", "Its memory in MiB", _number("host.memoryMib")),
        Question("disk", "host.diskGib", "Disk for mail in GiB", _number("host.diskGib")),
        Question(
            "country", "host.country", f"Country where it stands ({countries})",
            _text("host.country"),
        ),
        Question(
            "smarthost", "smarthost.provider", f"Smarthost ({', '.join(PROVIDERS)})", _provider,
            lambda _: next(iter(PROVIDERS)),
        ),
        Question(
            "region", "smarthost.region", "Region of its account", _text("smarthost.region"),
            lambda draft: _european(draft.value("smarthost.provider")),
        ),
        Question(
            "smarthost-user", "smarthost.user", "Login name of its account",
            _text("smarthost.user"), needed=_has_own_user,
        ),
        Question(
            "time-zone", "mailcow.timeZone", "Time zone, such as Europe/Berlin",
            _text("mailcow.timeZone"),
        ),
        Question(
            "mailbox", "mailboxes", "A mailbox, as name=Full name", mailboxes(quota, published),
            several=True,
        ),
        Question(
            "backup-server", "backup.server",
            "Object storage for the backup, off the host, as name:port", _text("backup.server"),
        ),
        Question(
            "backup-region", "backup.region", "Region of that storage", _text("backup.region")
        ),
    )  # fmt: skip
