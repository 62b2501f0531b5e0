"""Evidence: what operations have found out about a stack, kept beside its declaration.

`evidence/<stack>/<subject>.json` is written by an operation and committed by the operator. Policies
read it through `read`, and nothing else of the file system.
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "evidence"
"""Where the evidence of every stack lies."""


def read(stack: str, subject: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return what is known of a subject; empty where there is nothing that can be read.

    Args:
        stack: Name of the stack.
        subject: What it is about, such as `dmarc`.
        folder: Where the evidence of every stack lies.
    """
    try:
        found = json.loads((folder / stack / f"{subject}.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_all(stack: str, folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Return everything that is known of a stack, by subject."""
    subjects = sorted(file.stem for file in (folder / stack).glob("*.json"))
    return {subject: read(stack, subject, folder) for subject in subjects}


def write(folder: Path, subject: str, text: str) -> Path:
    """Write what is known of a subject in one step, and return the file.

    Args:
        folder: The stack's folder of evidence.
        subject: What it is about.
        text: The document.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{subject}.json"
    draft = file.with_suffix(".new")
    draft.write_text(text, "utf-8")
    draft.replace(file)
    return file
