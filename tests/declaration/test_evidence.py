"""Evidence is read from one place, and what cannot be read is no evidence."""

from pathlib import Path

from declaration.evidence import read, read_all


def test_what_an_operation_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "qual").mkdir()
    (tmp_path / "qual" / "drill.json").write_text('{"on": "2026-12-01"}')

    assert read("qual", "drill", tmp_path) == {"on": "2026-12-01"}
    assert read_all("qual", tmp_path) == {"drill": {"on": "2026-12-01"}}


def test_what_cannot_be_read_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "qual").mkdir()
    (tmp_path / "qual" / "drill.json").write_text("[" * 100_000)
    (tmp_path / "qual" / "dmarc.json").write_text('["no", "mapping"]')

    assert read_all("qual", tmp_path) == {"dmarc": {}, "drill": {}}
    assert read("prod", "drill", tmp_path) == {}
    assert read_all("prod", tmp_path) == {}
