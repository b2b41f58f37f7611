"""The progress bar draws, number by number, what Keras's draws on a terminal, and a tidy line elsewhere."""

import io
import re
from unittest import mock

import keras
import numpy as np
import pytest

import addax


class Terminal(io.StringIO):
    def isatty(self):
        return True


def drawings(module, stream, steps, dt, values, **kwargs):
    clock = [1000.0]
    with mock.patch("sys.stdout", stream), mock.patch("time.time", lambda: clock[0]):
        bar = module.utils.Progbar(**kwargs)
        for step in range(steps):
            clock[0] += dt
            bar.update(step + 1, values(step))
        if kwargs["target"] is None:
            bar.update(steps, values(steps), finalize=True)
    return stream.getvalue()


def shown(text):
    """The drawings in order, without colors, backspaces and padding."""
    text = re.sub(r"\x1b\[\d+m|\x08", "", text)
    return [re.sub(" +", " ", part).strip() for part in re.split(r"[\r\n]", text) if part.strip()]


CASES = [
    (3, 0.3, lambda i: [("loss", i * 1.0)], {"target": 3}),
    (3, 70.0, lambda i: [("loss", i * 1.0)], {"target": 3}),
    (3, 20000.0, lambda i: [], {"target": 3}),
    (3, 20.0, lambda i: [], {"target": 10000}),
    (5, 0.01, lambda i: [("loss", 1.0 / (i + 1))], {"target": 5}),
    (5, 0.0003, lambda i: [("loss", 1.0 / (i + 1))], {"target": 5}),
    (4, 0.3, lambda i: [("loss", i * 0.0001), ("b", 3)], {"target": 100}),
    (4, 0.3, lambda i: [("loss", i * 0.0001), ("b", 3)], {"target": None}),
    (3, 0.3, lambda i: [("a", i * 1.0), ("b", i)], {"target": 3, "stateful_metrics": ["a"]}),
    (3, 0.3, lambda i: [("a", i * 1.0), ("b", i)], {"target": 3, "stateless_metrics": ["a"]}),
    (3, 0.3, lambda i: [("a", i * 1.0)], {"target": 3, "unit_name": "sample", "width": 7}),
    (3, 0.3, lambda i: [("a", np.float32(i))], {"target": 3}),
    (4, 0.3, lambda i: [("loss", i * 1.0)], {"target": 4, "verbose": 2}),
    (4, 0.3, lambda i: [("loss", i * 1.0)], {"target": 4, "verbose": 0}),
]


@pytest.mark.parametrize(("steps", "dt", "values", "kwargs"), CASES)
def test_drawings_on_a_terminal_are_keras(steps, dt, values, kwargs):
    ours, theirs = (drawings(module, Terminal(), steps, dt, values, **kwargs) for module in (addax, keras))
    assert shown(ours) == shown(theirs)
    assert ours.count("\n") == theirs.count("\n")


def test_a_log_file_gets_one_plain_line():
    text = drawings(addax, io.StringIO(), 3, 0.3, lambda i: [("loss", i * 1.0)], target=3)
    assert text == "3/3 - 1s - 300ms/step - loss: 2.0000\n"
    text = drawings(addax, io.StringIO(), 3, 0.3, lambda i: [("loss", i * 1.0)], target=None)
    assert text == "3/3 - 1s - 300ms/step - loss: 3.0000\n"


def test_a_shorter_line_covers_the_longer_one():
    text = drawings(addax, Terminal(), 2, 0.3, lambda i: [("loss", 1e-9 if i == 0 else 1.0)], target=3)
    first, second = (re.sub(r"\x1b\[\d+m", "", part) for part in text.split("\r")[1:])
    assert len(second) >= len(first)


def test_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = drawings(addax, Terminal(), 1, 0.3, lambda i: [], target=2)
    assert "\x1b" not in text
    assert "1/2 ━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌ 0s 300ms/step" in text


def test_dumb_terminals_get_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\r" not in drawings(addax, Terminal(), 2, 0.3, lambda i: [], target=2)


def test_add():
    stream = io.StringIO()
    with mock.patch("sys.stdout", stream):
        bar = addax.utils.Progbar(10, verbose=2)
        bar.add(4)
        bar.add(6, [("x", 1.0)])
    assert stream.getvalue().startswith("10/10 - 0s - ") and stream.getvalue().endswith("- x: 1.0000\n")


def test_values_of_several_numbers_show_their_mean():
    text = drawings(addax, io.StringIO(), 1, 0.3, lambda i: [("x", np.array([1.0, 3.0]))], target=1)
    assert text.endswith("- x: 2.0000\n")


def test_output_that_knows_no_unicode():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream.isatty = lambda: True
    with mock.patch("sys.stdout", stream):
        addax.utils.Progbar(1).update(1)
    assert b"1/1" in stream.buffer.getvalue()
