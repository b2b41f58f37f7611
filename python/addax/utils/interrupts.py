"""Keeping Ctrl-C out of the middle of an update, so that what it writes is written wholly or not at all."""

from __future__ import annotations

import signal
import threading
from typing import Any


class _State:
    """Of the main thread, the only one that Python interrupts."""

    previous: Any = None  # the handler in whose place ours stands, if it does
    shielded = False
    held: tuple | None = None


_state = _State()
_main = threading.main_thread().ident


def _on_interrupt(*arguments: Any) -> None:
    if _state.shielded:
        _state.held = arguments
    else:
        _state.previous(*arguments)


class watched:
    """Watches for Ctrl-C in a `with` block. Loops use it, to make the many `shielded` blocks inside cheap."""

    def __enter__(self) -> watched:
        self._installed = False
        if _state.previous is None and threading.get_ident() == _main:
            handler = signal.getsignal(signal.SIGINT)
            # None: a handler that is not Python's and could not be put back. Ignored or deadly signals need no care.
            if callable(handler):
                _state.previous = handler
                signal.signal(signal.SIGINT, _on_interrupt)
                self._installed = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._installed:
            # The user may have set another handler meanwhile, which then stays.
            if signal.getsignal(signal.SIGINT) is _on_interrupt:
                signal.signal(signal.SIGINT, _state.previous)
            _state.previous = None


class shielded:
    """Holds Ctrl-C back in a `with` block and lets it take effect after it."""

    def __enter__(self) -> shielded:
        self._watch = None
        self._outermost = threading.get_ident() == _main and not _state.shielded
        if self._outermost:
            if _state.previous is None:
                self._watch = watched().__enter__()
            _state.shielded = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._outermost:
            return
        _state.shielded = False
        handler, held = _state.previous, _state.held
        _state.held = None
        if self._watch is not None:
            self._watch.__exit__()
        if held is not None:
            handler(*held)
