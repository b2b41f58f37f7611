"""The stub of the extension module says what the module has."""

import ast
from pathlib import Path

import addax
from addax import _core


def declared() -> dict[str, set[str]]:
    tree = ast.parse((Path(addax.__file__).parent / "_core.pyi").read_text())
    names: dict[str, set[str]] = {"": set()}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names[""].add(node.name)
        elif isinstance(node, ast.ClassDef):
            names[node.name] = {
                item.name if isinstance(item, ast.FunctionDef) else item.target.id
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AnnAssign)
            }
    return names


def test_stub_matches_module() -> None:
    names = declared()
    functions = {n for n in dir(_core) if not n.startswith("_") and not isinstance(getattr(_core, n), type)}
    assert functions == names.pop("")
    classes = {n for n in dir(_core) if isinstance(getattr(_core, n), type)}
    assert classes == set(names)
    for cls, members in names.items():
        actual = set(dir(getattr(_core, cls)))
        assert members <= actual, f"{cls}: {sorted(members - actual)}"
        public = {m for m in actual if not m.startswith("_")}
        assert public <= members, f"{cls}: {sorted(public - members)}"
