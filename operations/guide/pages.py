"""The pages: HTML without anything outside the file, one A4 page when printed."""

import re
from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from operations.guide.facts import Guide
from operations.guide.words import PROGRAMS, WORDS, Language, Program
from operations.page import CONTENT_SECURITY_POLICY

_JOINTS = re.compile(r"(?<=[^/:]/)(?=[^/])")
"""Where a long address may be broken into lines."""
_LINE = 48
"""Characters that fit on a line of the smallest page."""


def page(
    guide: Guide, language: Language, program: Program, languages: Iterable[Language] = Language
) -> str:
    """Return the page for one mailbox, in one language, for one program.

    Args:
        guide: What is true of the mailbox.
        language: Language of the page.
        program: Program that is set up.
        languages: Languages in which there are pages, to link to.
    """
    text: str = (
        _environment()
        .get_template("page.html")
        .render(
            guide=guide,
            language=language,
            languages={language: WORDS[language] for language in languages},
            program=program,
            programs=PROGRAMS,
            words=WORDS[language],
            profile=profile_name(guide),
            policy=CONTENT_SECURITY_POLICY,
        )
    )
    return text


def page_name(program: Program) -> str:
    """Return the name of a page's file."""
    return f"{program}.html"


def profile_name(guide: Guide) -> str:
    """Return the name of the profile's file."""
    return f"{guide.name}.mobileconfig"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("operations.guide"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fact"] = _fact
    return environment


def _fact(value: object) -> Markup:
    """Mark what comes from the declaration: set apart for the eye, and for the tests."""
    text = str(value)
    kind = "fact long" if len(text) > _LINE else "fact"
    parts = _JOINTS.split(text) if len(text) > _LINE else [text]
    return Markup('<b class="{}">{}</b>').format(kind, Markup("<wbr>").join(parts))
