"""The examples in public docstrings run and print what they say. They find `addax` and `np` imported."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import addax

# These run a program when imported.
SKIP = {"addax.__main__"}


def modules() -> list[str]:
    found = [m.name for m in pkgutil.walk_packages(addax.__path__, "addax.") if "._core" not in m.name]
    return sorted(set(found) - SKIP)


@pytest.mark.parametrize("name", modules())
def test_doctests(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    addax.utils.set_random_seed(0)
    monkeypatch.setattr(addax.config, "_run_eagerly", False)  # examples show the default
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(module, optionflags=options, extraglobs={"addax": addax, "np": np})
    assert result.failed == 0, f"{name}: {result.failed} of {result.attempted} examples failed"
