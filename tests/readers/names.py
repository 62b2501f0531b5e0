"""A zone of which a test says what it holds, and who answers from it."""

from collections.abc import Mapping, Sequence

from readers.dns import Resolver


def answering(records: Mapping[str, Sequence[str]]) -> Resolver:
    """Return a resolver that answers from a table of `name TYPE`, and nothing else."""

    def ask(name: str, kind: str, /) -> Sequence[str]:
        return records.get(f"{name.lower().removesuffix('.')} {kind}", ())

    return ask
