"""`python -m addax`: the commands, what they print, and what they say when something is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import addax
from addax import cli
from addax.cli import info


def test_without_a_command_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "demo" in capsys.readouterr().out


def test_as_a_program() -> None:
    result = subprocess.run([sys.executable, "-m", "addax", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"addax {addax.__version__}\n"


def test_cmake_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    package = tmp_path / "addax"
    monkeypatch.setattr(cli, "__file__", str(package / "cli" / "__init__.py"))
    assert cli.main(["--cmake-dir"]) == 1
    assert "pip install" in capsys.readouterr().err
    (package / "lib" / "cmake" / "addax").mkdir(parents=True)
    assert cli.main(["--cmake-dir"]) == 0
    assert capsys.readouterr().out == f"{package / 'lib' / 'cmake' / 'addax'}\n"


def test_info_names_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for name, value in info.engine_rows():
        assert name in printed
        assert value.split()[0] in printed
    assert addax.__version__ in printed
    assert addax.engine.cpu_isa() in printed
    assert str(addax.engine.num_threads()) in printed


def test_info_says_how_to_get_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "_OPTIONAL", (("no_such_module", "no-such", "nothing", "pip install no-such"),))
    assert info.optional_rows() == [("no-such", "missing, for nothing: pip install no-such")]


@pytest.mark.parametrize("module", ["sklearn", "matplotlib"])
def test_demo_without_its_extra(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 2
    assert 'pip install "addax[demo]"' in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
