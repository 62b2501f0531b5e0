"""A pace for requests to an API that counts them."""

import asyncio


class Pace:
    """Lets `limit` requests pass at once, and refills them evenly over `period` seconds."""

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._rate = limit / period
        self._left = float(limit)
        self._at: float | None = None
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the next request may be made, in the order of asking."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if self._at is not None:
                self._left = min(self._limit, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                await asyncio.sleep((1 - self._left) / self._rate)
                self._left, self._at = 1, asyncio.get_running_loop().time()
            self._left -= 1
