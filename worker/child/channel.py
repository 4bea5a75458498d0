"""The child's end of the socket to the worker. Safe to use from threads that a handler starts."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from typing import Any

from worker.frames import Decoder, Frame, encode

_CHUNK_BYTES = 256 * 1024


class Channel:
    """Sends frames, waits for the next order, and looks for a cancel without waiting."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._decoder = Decoder()
        self._orders = deque[Frame]()
        self._lock = threading.Lock()
        self._cancelled = False
        self._owner = os.getpid()

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send one frame; a process that a handler forked sends nothing."""
        if os.getpid() == self._owner:
            with self._lock:
                self._socket.sendall(encode(header, body))

    def next_order(self) -> Frame | None:
        """Wait for the next order; None when the worker is gone."""
        while not self._orders:
            if not self._receive():
                return None
        self._cancelled = False
        return self._orders.popleft()

    def cancelled(self) -> bool:
        """Tell whether a cancel came since the present order."""
        if not self._cancelled and os.getpid() == self._owner:
            with self._lock:
                while select.select([self._socket], [], [], 0)[0] and self._receive():
                    pass
        return self._cancelled

    def _receive(self) -> bool:
        data = self._socket.recv(_CHUNK_BYTES)
        for frame in self._decoder.feed(data):
            if frame.header["type"] == "cancel":
                self._cancelled = True
            else:
                self._orders.append(frame)
        return bool(data)
