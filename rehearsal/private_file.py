"""Files that hold secrets: their owner's alone from the first byte, and whole or not there."""

from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write `text` so that only its owner can read it, all of it or nothing.

    Args:
        file: Where; its folder exists.
        text: What shall be in it.
    """
    draft = file.with_name(f"{file.name}.new")
    # What a writer that was killed left could be another's to read.
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text, "utf-8")
    draft.replace(file)
