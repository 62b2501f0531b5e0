"""AWS Signature Version 4: is a request signed by whom it says, and is its body the signed one."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_plus

from aiohttp import web

from rehearsal.world.storage.refusal import RefusalError, access_denied

_SKEW = timedelta(minutes=15)
_HEADER = re.compile(
    r"^AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,]+),\s*SignedHeaders=(?P<headers>[^,]+),"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})$"
)
UNSIGNED = "UNSIGNED-PAYLOAD"
_EMPTY = hashlib.sha256(b"").hexdigest()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _mismatch() -> RefusalError:
    return RefusalError(
        403, "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check "
        "your key and signing method.",
    )  # fmt: skip


class Signed:
    """The signature of one request: whose it is, and whether it is right."""

    def __init__(self, request: web.Request) -> None:
        """Read the signature of a request.

        Raises:
            RefusalError: it cannot be read.
        """
        self._request = request
        query = request.query
        if "X-Amz-Signature" in query:
            self._presigned = True
            credential, self._signature = query["X-Amz-Credential"], query["X-Amz-Signature"]
            self._headers = query["X-Amz-SignedHeaders"].split(";")
            self._date = query["X-Amz-Date"]
            self.payload = UNSIGNED
        else:
            self._presigned = False
            match = _HEADER.match(request.headers.get("Authorization", ""))
            if match is None:
                raise access_denied()
            credential, self._signature = match["credential"], match["signature"]
            self._headers = match["headers"].split(";")
            self._date = request.headers.get("X-Amz-Date", "")
            self.payload = request.headers.get("X-Amz-Content-Sha256", _EMPTY)
        parts = credential.rsplit("/", 4)
        if len(parts) != 5:
            raise RefusalError(400, "AuthorizationQueryParametersError", "malformed credential")
        self.access_key, self._day, self._region, self._service, _ = parts
        self._check_time()

    def _check_time(self) -> None:
        try:
            signed = datetime.strptime(self._date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise access_denied() from None
        last = _SKEW
        if self._presigned:
            last = timedelta(seconds=int(self._request.query.get("X-Amz-Expires", "604800")))
        if not -_SKEW <= datetime.now(UTC) - signed <= last:
            raise RefusalError(
                403, "RequestTimeTooSkewed",
                "The difference between the request time and the server's time is too large.",
            )  # fmt: skip

    @property
    def _scope(self) -> str:
        return f"{self._day}/{self._region}/{self._service}/aws4_request"

    def _key(self, secret: str) -> bytes:
        key = _mac(f"AWS4{secret}".encode(), self._day)
        return _mac(_mac(_mac(key, self._region), self._service), "aws4_request")

    def _canonical(self) -> str:
        request = self._request
        pairs = []
        for pair in filter(None, request.rel_url.raw_query_string.split("&")):
            name, _, value = pair.partition("=")
            if name != "X-Amz-Signature":
                plain = (unquote_plus(name), unquote_plus(value))
                pairs.append("=".join(quote(part, safe="-_.~") for part in plain))
        headers = "".join(
            f"{name}:{' '.join(','.join(request.headers.getall(name, [])).split())}\n"
            for name in self._headers
        )
        signed = ";".join(self._headers)
        return (
            f"{request.method}\n{request.rel_url.raw_path}\n{'&'.join(sorted(pairs))}\n"
            f"{headers}\n{signed}\n{self.payload}"
        )

    def verify(self, secret: str) -> None:
        """Check the signature.

        Raises:
            RefusalError: it is not the one that `secret` makes.
        """
        digest = hashlib.sha256(self._canonical().encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self._date}\n{self._scope}\n{digest}"
        expected = _mac(self._key(secret), text).hex()
        if not hmac.compare_digest(expected, self._signature):
            raise _mismatch()

    def body(self, raw: bytes, secret: str) -> bytes:
        """Return the body of the request, checked against what was signed.

        Raises:
            RefusalError: it is another one.
        """
        if self.payload == UNSIGNED:
            return raw
        if self.payload.startswith("STREAMING-"):
            signed = self.payload.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            return self._chunks(raw, self._chunk_signer(secret) if signed else None)
        if hashlib.sha256(raw).hexdigest() != self.payload:
            raise RefusalError(
                400, "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )  # fmt: skip
        return raw

    def _chunk_signer(self, secret: str) -> Callable[[bytes], str]:
        key, previous = self._key(secret), self._signature

        def sign(chunk: bytes) -> str:
            nonlocal previous
            digest = hashlib.sha256(chunk).hexdigest()
            lines = ["AWS4-HMAC-SHA256-PAYLOAD", self._date, self._scope, previous, _EMPTY, digest]
            previous = _mac(key, "\n".join(lines)).hex()
            return previous

        return sign

    @staticmethod
    def _chunks(raw: bytes, sign: Callable[[bytes], str] | None) -> bytes:
        """Take aws-chunked framing off a body, checking each chunk's signature."""
        body, position = bytearray(), 0
        while True:
            end = raw.find(b"\r\n", position)
            if end < 0:
                raise RefusalError(400, "IncompleteBody", "You did not provide all bytes.")
            size, _, extension = raw[position:end].decode("latin-1").partition(";")
            start = end + 2
            chunk = raw[start : start + int(size, 16)]
            if sign is not None and extension.partition("=")[2].strip() != sign(chunk):
                raise _mismatch()
            if not chunk:
                return bytes(body)
            body += chunk
            position = start + len(chunk) + 2


def is_signed(headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Return whether a request bears any signature at all."""
    return "Authorization" in headers or "X-Amz-Signature" in query
