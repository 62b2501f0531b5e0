"""The short words of a page in both languages; whole paragraphs are in the templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Language(StrEnum):
    """Language of a page."""

    ENGLISH = "en"
    PORTUGUESE = "pt"
    """As written in Portugal."""

    @property
    def tag(self) -> str:
        """Language tag (RFC 5646)."""
        return "en-GB" if self is Language.ENGLISH else "pt-PT"


class Program(StrEnum):
    """Mail program, or family of programs, that a page is for."""

    APPLE = "apple"
    """Mail on iOS and macOS."""
    ANDROID = "android"
    """Thunderbird (K-9 Mail) and Gmail on Android."""
    THUNDERBIRD = "thunderbird"
    """Thunderbird on a computer."""
    OUTLOOK = "outlook"
    """Outlook, new and classic."""


PROGRAMS: Mapping[Program, str] = MappingProxyType(
    {
        Program.APPLE: "iPhone, iPad, Mac",
        Program.ANDROID: "Android",
        Program.THUNDERBIRD: "Thunderbird",
        Program.OUTLOOK: "Outlook",
    }
)
"""Names of the programs, the same in both languages."""


@dataclass(frozen=True)
class Words:
    """Labels of a page; each is what its name says."""

    language: str
    title: str
    account: str
    name: str
    address: str
    user: str
    password: str
    password_is: str
    incoming: str
    outgoing: str
    outgoing_instead: str
    host: str
    port: str
    security: str
    filters: str
    calendar: str
    contacts: str
    webmail: str
    pages: str


WORDS: Mapping[Language, Words] = MappingProxyType(
    {
        Language.ENGLISH: Words(
            language="English",
            title="Set up your mail",
            account="Your settings",
            name="Name",
            address="Email address",
            user="User name",
            password="Password",  # noqa: S106 - the label
            password_is="the one you were given; it is not on this page",  # noqa: S106 - a label too
            incoming="Incoming server (IMAP)",
            outgoing="Outgoing server (SMTP)",
            outgoing_instead="Outgoing server, other way",
            host="server",
            port="port",
            security="security",
            filters="Filter rules (ManageSieve)",
            calendar="Calendar (CalDAV)",
            contacts="Contacts (CardDAV)",
            webmail="Webmail",
            pages="Other pages",
        ),
        Language.PORTUGUESE: Words(
            language="Português",
            title="Configurar o correio eletrónico",
            account="Os seus dados",
            name="Nome",
            address="Endereço de correio eletrónico",
            user="Nome de utilizador",
            password="Palavra-passe",  # noqa: S106 - the label
            password_is="a que lhe foi entregue; não figura nesta página",  # noqa: S106 - a label too
            incoming="Servidor de receção (IMAP)",
            outgoing="Servidor de envio (SMTP)",
            outgoing_instead="Servidor de envio, em alternativa",
            host="servidor",
            port="porta",
            security="segurança",
            filters="Regras de filtragem (ManageSieve)",
            calendar="Calendário (CalDAV)",
            contacts="Contactos (CardDAV)",
            webmail="Webmail",
            pages="Outras páginas",
        ),
    }
)
"""Labels by language."""
