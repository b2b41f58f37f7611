"""Ctrl-C is held back inside `shielded` blocks and comes after them; handlers are put back as they were."""

import os
import signal
import threading

import pytest

from addax.utils.interrupts import shielded, watched


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def finished(*contexts):
    """Runs an interrupted block; returns whether its last line was reached."""
    reached = []
    with pytest.raises(KeyboardInterrupt):
        if contexts:
            with contexts[0](), shielded():
                interrupt()
                reached.append(True)
        else:
            with shielded():
                interrupt()
                reached.append(True)
        raise AssertionError("the interrupt was lost")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return bool(reached)


def test_shielded_blocks_are_finished():
    assert finished()
    assert finished(watched)


def test_nested_blocks_hold_back_until_the_outermost_ends():
    reached = []
    with pytest.raises(KeyboardInterrupt):
        with shielded():
            with shielded():
                interrupt()
            reached.append("outer")
        reached.append("after")
    assert reached == ["outer"]


def test_between_shielded_blocks_an_interrupt_comes_at_once():
    with pytest.raises(KeyboardInterrupt), watched():
        with shielded():
            pass
        interrupt()
        raise AssertionError("the interrupt was late")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_users_handler_is_called_and_put_back():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *args: seen.append(args))
    try:
        mine = signal.getsignal(signal.SIGINT)
        with watched(), shielded():
            interrupt()
            assert seen == []
        assert len(seen) == 1
        assert signal.getsignal(signal.SIGINT) is mine
        with watched():
            signal.signal(signal.SIGINT, before)
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_ignored_and_deadly_signals_are_left_alone(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with watched(), shielded():
            assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_inside_passes_through():
    with pytest.raises(ValueError, match="mine"), shielded():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_are_not_concerned():
    errors = []

    def work():
        try:
            with watched(), shielded():
                pass
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
