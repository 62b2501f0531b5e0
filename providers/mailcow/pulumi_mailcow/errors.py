"""What can go wrong with Mailcow, told apart by what it means for the state."""

from collections.abc import Sequence

from pulumi_kit import failures
from pulumi_kit.failures import ProviderError


class MailcowError(ProviderError):
    """Anything this package reports to a person. Its text never holds a secret."""


class UnreachableError(MailcowError):
    """No connection came about, so nothing was sent."""


class UnauthorizedError(MailcowError):
    """Mailcow does not accept the API key or the address. Never retried: repeats are banned."""


class UnreadableError(MailcowError):
    """A question to Mailcow got no usable answer."""


class UncertainError(MailcowError):
    """A write was sent, and whether it took effect is not known from the answer.

    Attributes:
        pending: Whether it may still be under way, because the wait for it was given up.
    """

    def __init__(self, message: str, *, pending: bool = False) -> None:
        super().__init__(message)
        self.pending = pending


class DeniedError(MailcowError):
    """Mailcow turned the request away before looking at it: nothing was changed."""


class RefusedError(MailcowError):
    """Mailcow says `danger` or `error`. Some of the request may have been carried out.

    Attributes:
        codes: Message codes of the entries that were refusals, such as `domain_exists`.
    """

    def __init__(self, message: str, codes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.codes = tuple(codes)


class UnconfirmedError(MailcowError):
    """What was read back is not what was written."""


class AlreadyExistsError(MailcowError):
    """The object to be created is there already, made by someone else."""


class MissingError(MailcowError):
    """The object is not there any more."""


class RemnantError(MailcowError):
    """Half of an object is there: its deletion, or its making, broke off between two statements.

    Asked for it by name, Mailcow answers nulls, and its lists leave it out; but a mailbox of that
    kind still lets its person log in.
    """


class InUseError(MailcowError):
    """Removing the object would silently break others that point at it."""


class PartlyDoneError(failures.PartlyDoneError, MailcowError):
    """The object exists, or may exist, but is not as declared."""
