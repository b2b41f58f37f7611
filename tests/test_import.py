"""What `import addax` loads: NumPy and the package itself, nothing that has to wait until it is used."""

import subprocess
import sys

LATE = ["h5py", "ml_dtypes", "rich", "matplotlib", "sklearn", "scipy", "pandas", "jax", "torch", "tensorflow", "keras"]


def test_import_loads_nothing_heavy() -> None:
    code = f"import addax, sys; print(*(m for m in {LATE!r} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
