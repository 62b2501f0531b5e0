"""What a page says, as a browser would read it, and whether it is well-formed."""

from html.parser import HTMLParser
from typing import Any

from declaration.model import Declaration
from operations.guide.facts import Guide, guides
from operations.guide.pages import page
from operations.guide.words import Language, Program

_BLOCKS = {"p", "li", "th", "td", "h1", "h2"}
_VOID = {"meta", "wbr", "br", "link", "img", "hr"}


class Reading(HTMLParser):
    """One page.

    Attributes:
        facts: Texts of the elements that the declaration gave, in order.
        links: Targets of the links, in order.
        faults: Elements that were closed out of turn or never.
        text: What a person reads.
        tags: Names of the elements.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.facts: list[str] = []
        self.links: list[str] = []
        self.faults: list[str] = []
        self.text = ""
        self.tags: set[str] = set()
        self._open: list[tuple[str, bool]] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag, _ in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        if len(given) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if href := given.get("href"):
            self.links.append(href)
        if tag in _VOID:
            return
        fact = "fact" in (given.get("class") or "").split()
        if fact:
            self.facts.append("")
        self._open.append((tag, fact))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:]}")
            return
        self._open.pop()
        if tag in _BLOCKS:
            self.text += "\n"

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self._open]
        if "style" not in inside:
            self.text += data
        if any(fact for _, fact in self._open):
            self.facts[-1] += data


def everything(declaration: Declaration, name: str) -> dict[tuple[Language, Program], Reading]:
    """Return the reading of every page of one person."""
    mine = of(declaration, name)
    return {
        (language, program): Reading(page(mine, language, program))
        for language in Language
        for program in Program
    }


def of(declaration: Declaration, name: str) -> Guide:
    """Return the guide of one person."""
    return next(guide for guide in guides(declaration) if guide.name == name)


def varied(declaration: Declaration, part: str, **changes: Any) -> Declaration:
    """Return the declaration with changes in one part, whether or not it would be accepted."""
    settings = getattr(declaration, part).model_copy(update=changes)
    return declaration.model_copy(update={part: settings})
