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
    """Sends frames, waits for the next order, and looks for its cancel or a drain without waiting."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._decoder = Decoder()
        self._orders = deque[Frame]()
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._order: int | None = None
        self._cancelled: int | None = None
        self._draining = False
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
        if self._cancelled != self._order:
            self._look()
        return self._cancelled == self._order

    def draining(self) -> bool:
        """Tell whether the worker is ending; it gives no other order then."""
        if not self._draining:
            self._look()
        return self._draining

    def _look(self) -> None:
        """Take in what the worker has sent, without waiting."""
        if not self.forked:
            with self._receiving:
                while select.select([self._socket], [], [], 0)[0] and self._receive():
                    pass

    def _receive(self) -> bool:
        data = self._socket.recv(_CHUNK_BYTES)
        for frame in self._decoder.feed(data):
            if frame.header["type"] == "cancel":
                self._cancelled = frame.header["order"]
            elif frame.header["type"] == "drain":
                self._draining = True
            else:
                self._orders.append(frame)
        return bool(data)
