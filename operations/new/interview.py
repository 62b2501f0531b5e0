"""Asking: by options, or on the terminal; a bad answer is refused at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from declaration.mistakes import PREFIX, DeclarationError, Mistake
from operations.new.draft import Draft
from operations.new.looking import LOOKED_FOR, Sight
from operations.new.questions import Question

Ask = Callable[[str, str | None], str]
"""Asks a person in words, with a proposal, and returns the answer."""


@dataclass
class Interview:
    """One run through the questions.

    Attributes:
        draft: The declaration so far.
        given: Answers by option.
        ask: Asks a person; None where nobody is there.
        say: Tells a person what is wrong with an answer.
        look: Asks the DNS for what it knows of a domain; None for not to.
        source: Name of the file, for the message.
        sight: What the DNS knew.
    """

    draft: Draft
    given: Mapping[str, Sequence[str]]
    ask: Ask | None
    say: Callable[[str], None]
    look: Callable[[str], Sight] | None
    source: str
    sight: Sight = field(default_factory=lambda: Sight(unseen=list(LOOKED_FOR)))
    _mistakes: list[Mistake] = field(default_factory=list)

    def hold(self, questions: Sequence[Question]) -> None:
        """Ask everything.

        Raises:
            DeclarationError: answers are wrong or missing, all of them at once.
        """
        for question in questions:
            # What has a proposal begins with it, and not with the example's.
            if (proposal := question.default(self.draft)) is not None:
                self.draft.put(question.values(self.draft, [proposal]))
        for number, question in enumerate(questions):
            still_open = [question.path for question in questions[number + 1 :]]
            if question.needed(self.draft):
                self._settle(question, still_open)
            elif self.given.get(question.option):
                # It belongs nowhere: the declaration itself says why.
                self._take(question, self.given[question.option], still_open)
            if question.path == "domain" and self.look and not self._mistakes:
                self._look(still_open)
        if self._mistakes:
            raise DeclarationError(self.source, self._mistakes)

    def _settle(self, question: Question, still_open: list[str]) -> None:
        proposal = self._proposal(question)
        answers = list(self.given.get(question.option, ()))
        if not answers and self.ask is None:
            answers = [proposal] if proposal is not None else []
        if not answers and self.ask is None:
            words = f"cannot be known: give --{question.option} ({question.words})"
            self._mistakes.append(Mistake(PREFIX + question.path, words))
            return
        while True:
            asked = not answers
            if not answers:
                answers = self._asked(question, proposal)
            refused = self._refused(question, answers, still_open)
            if not refused:
                self.draft.put(question.values(self.draft, answers))
                return
            if self.ask is None:
                self._mistakes += refused
                return
            for mistake in refused:
                self.say(f"{mistake.path}: {mistake.message}")
            proposal = proposal if asked else self._proposal(question)
            answers = []

    def _take(self, question: Question, answers: Sequence[str], still_open: list[str]) -> None:
        refused = self._refused(question, answers, still_open)
        self._mistakes += refused
        if not refused:
            self.draft.put(question.values(self.draft, answers))

    def _refused(
        self, question: Question, answers: Sequence[str], still_open: list[str]
    ) -> list[Mistake]:
        return self.draft.refusals(question.values(self.draft, answers), still_open)

    def _proposal(self, question: Question) -> str | None:
        seen = self.sight.values.get(question.path)
        return str(seen) if seen is not None else question.default(self.draft)

    def _asked(self, question: Question, proposal: str | None) -> list[str]:
        if self.ask is None:
            return []
        if not question.several:
            return [self.ask(question.words, proposal)]
        answers: list[str] = []
        while answer := self.ask(f"{question.words}; nothing ends", "" if answers else None):
            answers.append(answer)
        return answers

    def _look(self, still_open: list[str]) -> None:
        """Take from the DNS what no question asks for; what one asks for is a proposal."""
        if self.look is None:
            return
        self.sight = self.look(str(self.draft.value("domain")))
        for path, value in list(self.sight.values.items()):
            changes: dict[str, Any] = {path: value}
            own = [place for place in still_open if place != path]
            refused = self.draft.refusals(changes, own)
            if refused and path not in still_open:
                self.sight.notes.append(f"not taken: {refused[0].path}: {refused[0].message}")
                del self.sight.values[path]
            elif path not in still_open:
                self.draft.put(changes)
