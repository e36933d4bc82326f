"""uvicorn's HTTP protocol with a limit to what a client may take before its request has begun."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024


class Impatient(HttpToolsProtocol):
    """Closes connections whose requests never get past their heads, in time or in bytes."""

    seconds = 20.0  # from a connection, or the first byte of a request, to the end of its head
    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._head_bytes += len(data)
        if self._timer and self._head_bytes > HEAD_BYTES:
            self.transport.close()

    def _await_head(self) -> None:
        self._head_is_here()
        self._head_bytes = 0
        self._timer = self.loop.call_later(self.seconds, self._give_up)

    def _head_is_here(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if getattr(self.cycle, "response_complete", True):
            self.transport.close()
        else:
            self._await_head()  # an answer to an earlier request is on its way
