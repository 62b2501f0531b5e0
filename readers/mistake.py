"""What a reader says of a text that it does not understand, or that means nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """Something that the genuine program refuses, or that the reader does not know.

    Attributes:
        place: Where it stands: a line, a term, a path of keys.
        reason: What is wrong with it, in a few words.
        understood: False where the reader does not know the construct, so that it cannot tell
            what the genuine program would make of it.
    """

    place: str
    reason: str
    understood: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class MistakeError(ValueError):
    """A text that cannot be read.

    Attributes:
        mistake: What is wrong, and where.
    """

    def __init__(self, place: str, reason: str, *, understood: bool = True) -> None:
        self.mistake = Mistake(place, reason, understood)
        super().__init__(str(self.mistake))
