"""Pages say what the declaration says, in two languages, and nothing else."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from declaration.model import Declaration
from declaration.reading import read
from operations.guide import pages
from operations.guide.pages import page
from operations.guide.words import WORDS, Language, Program
from operations.page import CONTENT_SECURITY_POLICY
from tests.operations.guide.guide_reading import Reading, everything, of, varied

TEMPLATES = Path(pages.__file__).parent / "templates"


def test_every_page_is_well_formed_and_needs_no_other_file(qual: Declaration) -> None:
    for which, reading in everything(qual, "postmaster").items():
        assert reading.faults == [], which
        assert not reading.tags & {"link", "script", "img", "iframe"}, which


def test_no_page_may_load_or_run_anything(qual: Declaration) -> None:
    policy = f'http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
    pages_written = [
        page(of(qual, "postmaster"), language, program)
        for language in Language
        for program in Program
    ]
    assert all(unescape(text).count(policy) == 1 for text in pages_written)
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


def test_both_languages_have_the_same_facts_in_the_same_order(qual: Declaration) -> None:
    closed = varied(
        varied(qual, "web", autoconfig=False, autodiscover=False), "mailcow", skip_sogo=True
    )
    for declaration in (qual, closed):
        read_pages = everything(declaration, "postmaster")
        for program in Program:
            english = read_pages[Language.ENGLISH, program]
            portuguese = read_pages[Language.PORTUGUESE, program]
            assert english.facts == portuguese.facts, program


@pytest.mark.parametrize(
    ("change", "gone", "come"),
    [
        (lambda v: v["zone"].update(mxLabel="post"), "mx.portugalodyssey.pt", "post."),
        (lambda v: v["web"].update(webmail="correio"), "https://webmail.", "https://correio."),
        (lambda v: v["web"].update(admin="conta"), "mail-admin.", "conta."),
        (lambda v: v["aliases"][4].update(name="ola"), "hello@", "ola@portugalodyssey.pt"),
        (lambda v: v["mailboxes"][1].update(quotaMib=5120), "8 GiB", "5 GiB"),
        (lambda v: v["mailboxes"][1].update(fullName="Balcão"), "", "Balcão"),
        (lambda v: v.update(company="Casa Nova"), "", "Casa Nova"),
    ],
)
def test_what_changes_in_the_declaration_changes_on_every_page(
    qual_values: dict[str, Any], change: Callable[[dict[str, Any]], object], gone: str, come: str
) -> None:
    change(qual_values)

    for which, reading in everything(read(qual_values, source="test"), "info").items():
        assert come in reading.text, which
        if gone:
            assert gone not in reading.text, which


def test_no_other_domain_is_left_when_the_domain_changes(qual: Declaration) -> None:
    moved = qual.model_copy(update={"domain": "example.org", "company": "Example"})

    for language in Language:
        for program in Program:
            html = page(of(moved, "cristina"), language, program)
            assert "portugalodyssey" not in html
            assert set(re.findall(r"[\w.-]+\.(?:org|com|net|pt|eu)\b", html)) <= {
                "mx.example.org",
                "webmail.example.org",
                "mail-admin.example.org",
                "example.org",
            }


@pytest.mark.parametrize("port", [465, 587, 4190])
def test_a_port_that_is_closed_is_on_no_page(qual: Declaration, port: int) -> None:
    ports = tuple(number for number in qual.mailcow.raw_ports if number != port)

    for which, reading in everything(varied(qual, "mailcow", raw_ports=ports), "info").items():
        assert str(port) not in reading.text, which
    for which, reading in everything(qual, "info").items():
        assert str(port) in reading.facts, which


def test_no_template_holds_a_port_or_a_host_of_its_own() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>|&\w+;", "", path.read_text("utf-8"))
        text = re.sub(r"K-9|POP3", "", text)
        assert not re.search(r"\d", text), path.name
        assert "://" not in text, path.name


def test_settings_are_found_by_themselves_only_where_published(qual: Declaration) -> None:
    closed = everything(varied(qual, "web", autoconfig=False, autodiscover=False), "info")
    for program, words in {
        Program.THUNDERBIRD: ("finds the settings by itself", "encontra os dados sozinho"),
        Program.ANDROID: ("finds the settings by itself", "encontra os dados sozinha"),
    }.items():
        for language, said in zip(Language, words, strict=True):
            assert said in everything(qual, "info")[language, program].text
            assert said not in closed[language, program].text
    for language, said in zip(Language, ("by itself", "sozinho"), strict=True):
        assert said in everything(qual, "info")[language, Program.OUTLOOK].text
        assert said not in closed[language, Program.OUTLOOK].text


def test_without_sogo_nobody_reads_of_calendars_or_webmail(qual: Declaration) -> None:
    for which, reading in everything(varied(qual, "mailcow", skip_sogo=True), "info").items():
        assert not re.search(r"(?i)webmail|calend|contac?ts?\b|dav\b", reading.text), which


def test_pop_is_denied_only_while_it_is_closed(qual: Declaration) -> None:
    opened = varied(qual, "mailcow", raw_ports=(*qual.mailcow.raw_ports, 995))
    for reading in everything(qual, "info").values():
        assert "POP" in reading.text
    for reading in everything(opened, "info").values():
        assert "POP" not in reading.text


def test_a_person_without_aliases_reads_of_none(qual: Declaration) -> None:
    assert "arrives here too" not in page(of(qual, "cristina"), Language.ENGLISH, Program.APPLE)
    assert "também chegam" not in page(of(qual, "cristina"), Language.PORTUGUESE, Program.APPLE)


def test_what_people_are_called_cannot_become_markup(qual_values: dict[str, Any]) -> None:
    qual_values["mailboxes"][1]["fullName"] = 'Informação & "Cia"'
    qual_values["company"] = "<script>y</script>"
    named = of(read(qual_values, source="test"), "info")
    # The declaration refuses such a name; the page does not rely on it.
    guide = replace(named, full_name="<script>x</script> & Cia")

    for program in Program:
        html = page(guide, Language.PORTUGUESE, program)
        assert "<script" not in html
        assert "<script>x</script> & Cia" in Reading(html).text


def test_links_lead_to_pages_that_are_written(qual: Declaration) -> None:
    both = Reading(page(of(qual, "info"), Language.ENGLISH, Program.APPLE))
    alone = Reading(
        page(of(qual, "info"), Language.ENGLISH, Program.APPLE, languages=[Language.ENGLISH])
    )

    relative = {link for link in both.links if "://" not in link}
    assert relative == {
        "android.html",
        "thunderbird.html",
        "outlook.html",
        "../pt/apple.html",
        "../info.mobileconfig",
    }
    assert "../pt/apple.html" not in alone.links


def test_a_language_says_which_it_is(qual: Declaration) -> None:
    for language, tag in {Language.ENGLISH: "en-GB", Language.PORTUGUESE: "pt-PT"}.items():
        html = page(of(qual, "info"), language, Program.APPLE)
        assert f'<html lang="{tag}">' in html
        assert WORDS[language].title in html


def test_the_portuguese_is_that_of_portugal(qual: Declaration) -> None:
    for (language, program), reading in everything(qual, "postmaster").items():
        if language is Language.PORTUGUESE:
            # The release's own button says "senha"; a page quotes it and nothing more.
            text = reading.text.replace("“Alterar senha”", "")
            assert not re.search(
                r"(?i)\bsenhas?\b|usuário|arquivo|você|aplicativo|celular", text
            ), program
            assert "palavra-passe" in text


@pytest.mark.real
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("program", Program)
def test_a_page_prints_on_one_sheet(
    qual: Declaration, tmp_path: Path, language: Language, program: Program
) -> None:
    source, sheet = tmp_path / "page.html", tmp_path / "page.pdf"
    source.write_text(page(of(qual, "postmaster"), language, program), "utf-8")
    options = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --no-pdf-header-footer"
    )
    subprocess.run(
        [
            "chromium",
            *options.split(),
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--print-to-pdf={sheet}",
            source.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )

    counts = re.findall(rb"/Type\s*/Pages\b.*?/Count\s+(\d+)", sheet.read_bytes(), re.DOTALL)
    assert counts == [b"1"]
