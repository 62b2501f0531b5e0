"""A few lines of client for the Docker Engine API, quick to import."""

import http.client
import json
import os
import socket
from typing import Any
from urllib.parse import urlencode, urlsplit

from rehearsal.world.host_tools.surroundings import ToolError


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """The Docker engine named by `DOCKER_HOST`."""

    def __init__(self) -> None:
        """Find the engine.

        Raises:
            ToolError: `DOCKER_HOST` names none.
        """
        address = urlsplit(os.environ.get("DOCKER_HOST", ""))
        if address.scheme != "unix":
            raise ToolError(
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
                "Is the docker daemon running?"
            )
        self._connection = _SocketConnection(address.path)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        missing_is_none: bool = False,
        **query: str,
    ) -> Any:
        """Send a request and return the answer's JSON, or text where it is none.

        Raises:
            ToolError: the engine refused, in its own words, or does not answer.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        payload = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if payload else {}
        try:
            self._connection.request(method, target, payload, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except OSError as error:
            raise ToolError("Cannot connect to the Docker daemon. Is it running?") from error
        if answer.status == 404 and missing_is_none:
            return None
        try:
            value = json.loads(content) if content else None
        except ValueError:
            value = content.decode(errors="replace")
        if answer.status >= 400:
            message = value["message"] if isinstance(value, dict) else str(value)
            raise ToolError(f"Error response from daemon: {message}")
        return value

    def containers(self, *labels: str, everything: bool = True) -> list[dict[str, Any]]:
        """List containers that carry all these labels, in full."""
        filters = json.dumps({"label": list(labels)})
        listed = self.ask(
            "GET", "/containers/json", all="1" if everything else "0", filters=filters
        )
        return [self.ask("GET", f"/containers/{container['Id']}/json") for container in listed]

    def has_image(self, reference: str) -> bool:
        """Return whether the image is there already."""
        return self.ask("GET", f"/images/{reference}/json", missing_is_none=True) is not None

    def pull(self, reference: str) -> None:
        """Pull an image."""
        self.ask("POST", "/images/create", fromImage=reference)
