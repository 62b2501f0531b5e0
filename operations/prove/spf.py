"""What evaluating a published SPF record costs a receiver, its includes counted."""

from dataclasses import dataclass

from operations.prove.net import Net

_COSTLY = ("include", "a", "mx", "ptr", "exists", "redirect")
_ENOUGH = 40
"""Look-ups after which counting on is pointless."""


@dataclass
class Cost:
    """Look-ups that a receiver makes at worst, and those of them that find nothing."""

    lookups: int = 0
    voids: int = 0


async def evaluate(net: Net, name: str) -> Cost | None:
    """Return what the record of `name` costs, None where there is none.

    Raises:
        UnseenError: the DNS does not answer.
    """
    text = await _record(net, name)
    if text is None:
        return None
    cost = Cost()
    await _count(net, name, text, cost, (name,))
    return cost


async def _record(net: Net, name: str) -> str | None:
    texts = (await net.resolve(name, "TXT")).values
    return next((one for one in texts if one.lower().split(" ")[0] == "v=spf1"), None)


async def _count(net: Net, name: str, text: str, cost: Cost, way: tuple[str, ...]) -> None:
    for word in text.split()[1:]:
        term, target = _parts(word)
        if term not in _COSTLY or cost.lookups > _ENOUGH:
            continue
        cost.lookups += 1
        target = target or name
        if "%" in target:  # a macro: what it becomes depends on the message
            continue
        if term not in ("include", "redirect"):
            kind = "MX" if term == "mx" else "A"
            if term != "ptr" and not (await net.resolve(target, kind)).values:
                cost.voids += 1
            continue
        nested = await _record(net, target)
        if nested is None:
            cost.voids += 1
        elif target in way:
            cost.lookups = _ENOUGH + 1  # a circle never ends
        else:
            await _count(net, target, nested, cost, (*way, target))


def _parts(word: str) -> tuple[str, str]:
    """Return the name and the domain of a term such as `~include:example.com/24`."""
    bare = word.lower().lstrip("+-~?")
    if bare.startswith("redirect="):
        return "redirect", bare.removeprefix("redirect=").rstrip(".")
    term, _, rest = bare.partition(":")
    return term.partition("/")[0], rest.partition("/")[0].rstrip(".")
