"""The compose files of the rehearsed host, found and read as Compose does."""

import os
from collections.abc import Iterable
from pathlib import Path

from readers import compose
from readers.mistake import MistakeError
from rehearsal.world.host_tools.surroundings import ToolError, complain


def found(files: Iterable[Path], directory: Path) -> list[Path]:
    """Return the files that Compose reads: the named ones, or those that it looks for itself.

    Raises:
        ToolError: there is none.
    """
    named = list(files)
    if named:
        return named
    names = [name for name in compose.TAKEN if ".override." not in name]
    base = next((directory / name for name in names if (directory / name).exists()), None)
    if base is None:
        raise ToolError("no configuration file provided: not found", 14)
    over = base.with_suffix(f".override{base.suffix}")
    return [base, over] if over.exists() else [base]


def variables_of(files: Iterable[Path]) -> dict[str, str]:
    """Return the variables of environment files, those that are there.

    Raises:
        ToolError: what Compose would refuse.
    """
    variables: dict[str, str] = {}
    for file in files:
        if file.exists():
            try:
                variables |= compose.environment_file(file.read_text(), os.environ, str(file))
            except MistakeError as error:
                raise ToolError(str(error), 15) from error
    return variables


def load(
    files: Iterable[Path], directory: Path, environment_files: Iterable[Path] = ()
) -> compose.Project:
    """Read and merge compose files, with variables from `.env` in `directory`.

    Raises:
        ToolError: what Compose would refuse.
    """
    variables = variables_of(list(environment_files) or [directory / ".env"]) | dict(os.environ)
    texts = []
    for path in found(files, directory):
        try:
            texts.append((str(path), path.read_text()))
        except OSError as error:
            raise ToolError(f"open {path}: {(error.strerror or '').lower()}", 14) from error
    try:
        project = compose.read(texts, variables)
    except MistakeError as error:
        raise ToolError(str(error), 15) from error
    for name in sorted(project.unset):
        complain(f'level=warning msg="The \\"{name}\\" variable is not set. '
                 'Defaulting to a blank string."')  # fmt: skip
    return project
