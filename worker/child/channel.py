"""The child's end of the socket to the worker. Safe to use from threads that a handler starts."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque

from worker.frames import Decoder, Frame

_CHUNK_BYTES = 256 * 1024


class Channel:
    """Sends frames, waits for the next order, and looks for its cancel without waiting."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._decoder = Decoder()
        self._orders = deque[Frame]()
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._order: int | None = None
        self._cancelled: int | None = None
        self._owner = os.getpid()

    @property
    def forked(self) -> bool:
        """Tell whether this process is a copy, made by a handler that forked."""
        return os.getpid() != self._owner

    def send(self, frames: bytes) -> None:
        """Send encoded frames; a copy sends nothing."""
        if not self.forked:
            with self._sending:
                self._socket.sendall(frames)

    def next_order(self) -> Frame | None:
        """Wait for the next order; None when the worker is gone."""
        with self._receiving:
            while not self._orders:
                if not self._receive():
                    return None
            frame = self._orders.popleft()
            self._order = frame.header["order"]
            return frame

    def cancelled(self) -> bool:
        """Tell whether the present order was cancelled."""
        if self._cancelled != self._order and not self.forked:
            with self._receiving:
                while select.select([self._socket], [], [], 0)[0] and self._receive():
                    pass
        return self._cancelled == self._order

    def _receive(self) -> bool:
        data = self._socket.recv(_CHUNK_BYTES)
        for frame in self._decoder.feed(data):
            if frame.header["type"] == "cancel":
                self._cancelled = frame.header["order"]
            else:
                self._orders.append(frame)
        return bool(data)
