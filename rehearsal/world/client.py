"""A world seen from outside its process: for the command line, the report and tests."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class WorldUnreachableError(Exception):
    """No world answers; the message says where it was looked for."""


@dataclass(frozen=True)
class RunningService:
    """One service of a running world."""

    name: str
    stands_for: str
    genuine: bool
    port: int | None


class WorldClient:
    """Speaks to a running world through its control address."""

    def __init__(self, folder: Path, described: Mapping[str, Any], *, timeout: float = 30) -> None:
        """Take the world's own description; see `find`.

        Args:
            folder: The world's folder.
            described: What `world.json` says.
            timeout: Seconds to wait for an answer.
        """
        self.folder = folder
        self.pid = int(described["pid"])
        self.stack = str(described["stack"])
        self.overlay: dict[str, Any] = dict(described["overlay"])
        self.services = tuple(RunningService(**service) for service in described["services"])
        self._address = str(described["control"])
        self._token = str(described["token"])
        self._timeout = timeout

    def __repr__(self) -> str:
        """Show where it is; the token is not for logs."""
        return f"WorldClient({str(self.folder)!r}, pid={self.pid})"

    @classmethod
    def find(cls, folder: Path) -> "WorldClient":
        """Return the world that `folder` describes, whether or not it still answers.

        Raises:
            WorldUnreachableError: the folder describes none.
        """
        file = folder / "world.json"
        try:
            return cls(folder.resolve(), json.loads(file.read_text()))
        except FileNotFoundError:
            raise WorldUnreachableError(f"no world runs in {folder}") from None
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise WorldUnreachableError(f"{file} does not describe a world: {error}") from error

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets invented for the world, by configuration key without `mail:`."""
        kept: dict[str, str] = json.loads((self.folder / "secrets.json").read_text())
        return kept

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the control address.

        Args:
            method: HTTP method.
            path: Such as `/cloudflare/records`.
            body: Sent as JSON if not None.

        Returns:
            The JSON that was answered.

        Raises:
            WorldUnreachableError: nothing answers, or it refuses.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - always http on loopback, from world.json
            self._address + path, data=data, method=method
        )
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self._timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace")
            raise WorldUnreachableError(f"{method} {path}: {error.code} {words}") from None
        except (OSError, json.JSONDecodeError) as error:
            raise WorldUnreachableError(f"{self._address} does not answer: {error}") from None

    def status(self) -> dict[str, Any]:
        """Return what runs."""
        answer: dict[str, Any] = self.ask("GET", "/status")
        return answer

    def reach(self, address: str, port: int) -> tuple[str, int]:
        """Return the loopback address and port behind a public address and port.

        Raises:
            WorldUnreachableError: nothing in the world listens there.
        """
        for known, at, local in self.status()["addresses"]:
            if (known, at) == (address, port):
                # The world listens on the address on which its control was reached.
                return str(urlsplit(self._address).hostname), int(local)
        raise WorldUnreachableError(f"nothing listens on {address} port {port}")

    def answers(self) -> bool:
        """Return whether this very world still runs."""
        try:
            return int(self.status()["pid"]) == self.pid
        except WorldUnreachableError:
            return False

    def faults(self, service: str) -> dict[str, Any]:
        """Return the faults that a service shows."""
        answer: dict[str, Any] = self.ask("GET", f"/{service}/faults")
        return answer

    def set_faults(self, service: str, **faults: Any) -> None:
        """Let a service show these faults and no others."""
        self.ask("PUT", f"/{service}/faults", faults)

    def clear_faults(self, service: str) -> None:
        """Let a service work again."""
        self.ask("DELETE", f"/{service}/faults")

    def resolve(self, name: str, rdtype: str) -> list[str]:
        """Return what the world's DNS answers, as a zone file writes it."""
        answer = self.ask("GET", f"/dns/lookup/{name}/{rdtype}")
        return [str(item) for item in answer["answers"]]
