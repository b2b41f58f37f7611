"""What `import addax` loads: NumPy and the package itself, nothing that has to wait until it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import addax

LATE = ["h5py", "ml_dtypes", "rich", "matplotlib", "sklearn", "scipy", "pandas", "jax", "torch", "tensorflow", "keras"]


def test_import_loads_nothing_heavy() -> None:
    code = f"import addax, sys; print(*(m for m in {LATE!r} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_lazy_names_are_those_that_type_checkers_see() -> None:
    tree = ast.parse(Path(addax.__file__).read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    declared = {(node.module, alias.name) for node in checked.body for alias in node.names}
    loaded = {("addax", name) for name in addax._MODULES}
    loaded |= {(home, name) for home, names in addax._HOMES.items() for name in names.split()}
    assert declared == loaded
    for home, name in declared:
        assert getattr(addax, name) is getattr(importlib.import_module(home), name)
        assert name in dir(addax)
