"""Documents: YAML and JSON as a value, once for all who ask for the same text."""

from functools import lru_cache
from typing import Any

import yaml

from readers.mistake import MistakeError


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses a key that stands twice, as Go's decoder does: YAML does not say which one holds."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len({*keys}) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(
                None, None, f"{twice} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


@lru_cache(maxsize=64)
def document(text: str) -> Any:
    """Return what a YAML or JSON text holds; whoever is given it changes nothing in it.

    Raises:
        MistakeError: it is neither.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else "the text"
        reason = getattr(error, "problem", None) or "cannot be read"
        raise MistakeError(place, f"yaml: {reason}") from None
