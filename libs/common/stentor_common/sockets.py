"""WebSocket connections as the server holds them: how much they may bring, and when one is given up."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

UNCOUNTED_BYTES = 256 * 1024
"""What any connection may hold: a few turns of reading."""


class SocketMemory:
    """What all connections together hold of messages whose end has not come yet.

    A message is in memory whole before anybody can look at it, and each of many connections may bring a
    large one.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held: dict[object, int] = {}

    def note(self, owner: object, held_bytes: int) -> bool:
        """Whether there is room for what this connection holds now."""
        self._held.pop(owner, None)
        if held_bytes <= UNCOUNTED_BYTES:
            return True
        self._held[owner] = held_bytes
        return sum(self._held.values()) <= self._limit


def bounded_by(memory: SocketMemory) -> type[WebSocketsSansIOProtocol]:
    """The server's protocol; 1013 (try again later) ends a connection for which memory has no room."""

    class Bounded(WebSocketsSansIOProtocol):
        def data_received(self, data: bytes) -> None:
            self._note_alive()
            super().data_received(data)
            held = len(self.conn.reader.buffer) + sum(map(len, self.frames))
            if not memory.note(self, held):
                self._refuse()

        def connection_lost(self, exc: Exception | None) -> None:
            memory.note(self, 0)
            super().connection_lost(exc)

        def _note_alive(self) -> None:
            # Who sends is there, also if it answers no ping before the end of a long message.
            if self.pong_timer is not None and self.ping_timeout is not None:
                self.pong_timer.cancel()
                self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)

        def _refuse(self) -> None:
            memory.note(self, 0)
            if self.handshake_complete and not self.close_sent:
                self.conn.fail(CloseCode.TRY_AGAIN_LATER, "too much is being sent at once; try again later")
                self.handle_parser_exception()
            else:
                self.transport.abort()

    return Bounded
