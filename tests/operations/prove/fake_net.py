"""A network of which a test says what it answers."""

from operations.prove.net import Answer, Net, Port, UnseenError


class FakeNet(Net):
    """Answers from a table of `name TYPE`; ports are shut unless they are said to be open."""

    place = "a test"

    def __init__(
        self,
        records: dict[str, list[str]],
        *,
        silent: frozenset[str] = frozenset(),
        ports: dict[int, Port] | None = None,
        authenticated: bool = False,
    ) -> None:
        """Answer with `records`; fail for the questions in `silent`."""
        self.records = records
        self.silent = silent
        self.ports = ports or {}
        self.authenticated = authenticated

    def locate(self, address: str, port: int) -> tuple[str, int]:  # noqa: ARG002 - nowhere
        raise ConnectionRefusedError("connection refused")

    async def resolve(self, name: str, rdtype: str) -> Answer:
        question = f"{name} {rdtype}"
        if question in self.silent:
            raise UnseenError(f"{question}: the DNS does not answer")
        values = tuple(sorted(self.records.get(question, ())))
        exists = any(record.startswith(f"{name} ") for record in self.records)
        return Answer(values, exists=exists, authenticated=self.authenticated)

    async def port(self, address: str, port: int) -> Port:  # noqa: ARG002 - the one host
        return self.ports.get(port, Port.CLOSED)
