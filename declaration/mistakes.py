"""Mistakes in a declaration, said to the person who can mend them."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from declaration.settings import meanings

PREFIX = "mail:"
"""Namespace of the keys in `Pulumi.<stack>.yaml`: the project's name."""

Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys in camel case, and indices of lists."""

_CREDENTIALS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    re.compile(r"\bre_[A-Za-z0-9]{4,}_[A-Za-z0-9]{8,}|\bre_[A-Za-z0-9]{16,}"),  # Resend
    re.compile(r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}|\bSG\.[\w-]{16,}|\bxox[abprs]-[\w-]{10,}"),
    re.compile(r"\bgh[oprsu]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"),
    re.compile(r"\bcf[uoa]t_\w{16,}|\bv1\.0-[0-9a-f]{20,}"),  # Cloudflare
    re.compile(r"\bA(?:KIA|SIA)[A-Z0-9]{12,}"),  # Amazon, MinIO
    re.compile(r"\bpulumi_sk_\w+|\bpul-[0-9a-f]{30,}|\beyJ[\w-]{10,}\.[\w-]{10,}\."),
    re.compile(r"://[^/\s:@]+:[^/\s@]+@"),  # user and password in an address
)
_WORD = re.compile(r"[A-Za-z0-9_-]{32,}")


@dataclass(frozen=True)
class Mistake:
    """One mistake, or one value that is not set yet.

    Attributes:
        path: The key as it stands in the YAML file, such as `mail:dmarc.rua`.
        message: What is wrong, and the way out.
        command: The command that sets the value, when all that is wrong is that it is missing.
        line: Line of the file, or that of the nearest key above; 0 where it is not known.
    """

    path: str
    message: str
    command: str = ""
    line: int = 0


class DeclarationError(Exception):
    """The declaration cannot be used; its text is what the operator reads.

    Attributes:
        source: The file, or what stands for it.
        mistakes: All of them, in the order of the file.
    """

    def __init__(self, source: str, mistakes: Iterable[Mistake]) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        super().__init__(self._text())

    def _text(self) -> str:
        wrong = [mistake for mistake in self.mistakes if not mistake.command]
        missing = [mistake for mistake in self.mistakes if mistake.command]
        counts = []
        if wrong:
            counts.append(f"{len(wrong)} mistake{'s' if len(wrong) > 1 else ''}")
        if missing:
            counts.append(f"{len(missing)} value{'s' if len(missing) > 1 else ''} not set")
        lines = [f"{self.source}: {', '.join(counts)}, nothing was touched"]
        lines += _aligned((_place(mistake), mistake.message) for mistake in wrong)
        if missing:
            lines.append("To set what is missing, type in the folder of the program:")
            lines += _aligned((mistake.command, f"# {mistake.message}") for mistake in missing)
        # A key may hold what moves a terminal's cursor; a value is shown only where it is fit.
        signs = (sign if sign.isprintable() or sign == "\n" else "?" for sign in "\n".join(lines))
        return "".join(signs)


def _place(mistake: Mistake) -> str:
    return f"line {mistake.line}: {mistake.path}" if mistake.line else mistake.path


def _aligned(pairs: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(pairs)
    width = max((len(left) for left, _ in rows), default=0)
    return [f"  {left:<{width}}   {right}" for left, right in rows]


def spelled(place: Place) -> str:
    """Return a place as a person finds it in the file: `mail:web.hosts[2]`."""
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        elif looks_secret(step):  # a value that was pasted where a key belongs
            text += ".?"
        else:
            text += f".{step}" if text else step
    return PREFIX + text


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean X?` when one of the choices is near, otherwise nothing."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def looks_secret(text: str) -> bool:
    """Tell whether a text looks like a credential that was pasted into the wrong place.

    Known prefixes are recognised, and long words without a meaning: upper case, lower case and
    digits mixed. Hexadecimal digests and names with dots are left alone.
    """
    if any(pattern.search(text) for pattern in _CREDENTIALS):
        return True
    return any(
        re.search(r"[a-z]", word) and re.search(r"[A-Z]", word) and re.search(r"[0-9]", word)
        for word in _WORD.findall(text)
    )


def quoted(value: object) -> str:
    """Return a value for a message: shortened, and never one that looks like a credential."""
    if isinstance(value, str):
        if looks_secret(value):
            return "what stands there"
        text = " ".join(value.split())
        return f'"{text[:57]}..."' if len(text) > 60 else f'"{text}"'
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a set of keys"
    return "a list" if isinstance(value, Sequence) else str(value)


def rephrase(error: ErrorDetails, model: type[BaseModel]) -> Mistake:
    """Turn one finding of pydantic into a mistake in an operator's words.

    Args:
        error: The finding.
        model: The model that was being read.

    Returns:
        The mistake, at the key as it stands in the file.
    """
    place = tuple(step for step in error["loc"] if step != "[key]")
    meaning, keys = _field_at(model, place)
    words = _WORDS.get(error["type"])
    if error["type"] == "extra_forbidden":
        return _unknown_key(place, keys)
    if error["type"] == "missing":
        message = f"is missing{_meaning(meaning)}"
    elif error["type"] == "value_error":
        message = str(error["ctx"]["error"]) if "ctx" in error else error["msg"]
        if looks_secret(message):
            message = f"what stands there does not fit{_meaning(meaning)}"
    elif error["type"] == "enum":
        expected = str(error.get("ctx", {}).get("expected", ""))
        choices = re.findall(r"'([^']*)'", expected)
        near = suggestion(str(error["input"]), choices)
        message = f"{quoted(error['input'])} is none of {', '.join(choices)}{near}"
    elif words:
        limits = {key: str(value) for key, value in error.get("ctx", {}).items()}
        message = f"{quoted(error['input'])} {words.format_map(limits)}{_meaning(meaning)}"
    else:
        message = f"{quoted(error['input'])} does not fit{_meaning(meaning)}"
    return Mistake(spelled(place), message)


_WORDS = {
    "string_type": "is not text",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "date_type": "is not a date such as 2026-11-01",
    "date_parsing": "is not a date such as 2026-11-01",
    "date_from_datetime_parsing": "is not a date such as 2026-11-01",
    "date_from_datetime_inexact": "is not a date such as 2026-11-01",
    "tuple_type": "is not a list",
    "dict_type": "is not a set of keys",
    "model_type": "is not a set of keys",
    "model_attributes_type": "is not a set of keys",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entries",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "does not have the right form",
}


def _meaning(text: str) -> str:
    if not text:
        return ""
    sentence = re.split(r"(?<=\.)\s", " ".join(text.split()))[0].rstrip(".")
    return f"; it is: {sentence}"


def _unknown_key(place: Place, keys: Sequence[str]) -> Mistake:
    key = str(place[-1])
    shown = "this key" if looks_secret(key) else key
    if "password" in key.lower() and place[0] == "mailboxes":
        way_out = "; passwords are secrets: take it out, then pulumi config set --secret "
        return Mistake(spelled(place), f"is no key{way_out}{PREFIX}password.<name>")
    return Mistake(spelled(place), f"{shown} is not a known key{suggestion(key, keys)}")


def _field_at(model: type[BaseModel], place: Place) -> tuple[str, list[str]]:
    """Return what the field at a place means, and the keys that are known beside it."""
    meaning = ""
    here: Any = model
    keys: list[str] = []
    for step in place:
        if isinstance(here, type) and issubclass(here, BaseModel):
            names = {field.alias or name: name for name, field in here.model_fields.items()}
            keys = list(names)
            name = names.get(str(step))
            meaning = meanings(here).get(name, "") if name else ""
            here = _settled(here.model_fields[name].annotation) if name else None
        else:  # an index of a list or a key of a mapping: what the entries are
            entries = [entry for entry in get_args(here) if entry is not Ellipsis]
            here = _settled(entries[-1]) if entries else None
            # The meaning of the list is the meaning of a plain entry too.
            keys = []
    return meaning, keys


def _settled(annotation: Any) -> Any:
    """Return what an optional annotation is when it is not None."""
    arguments = get_args(annotation)
    if type(None) in arguments:
        return next(argument for argument in arguments if argument is not type(None))
    return annotation
