"""benchmarks/gpu.py from end to end, over the emulated device."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.emulated
def test_it_writes_what_it_measured(tmp_path) -> None:
    file = tmp_path / "results.json"
    command = [sys.executable, ROOT / "benchmarks/gpu.py", "--emulated", "--engines", "addax", "--json", file]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    written = json.loads(file.read_text())
    assert {"device", "date", "commit", "copy GB/s"} <= written["about"].keys()
    results = written["results"]["addax"]
    assert results.keys() == {"device", "memory", "convolution", "training"}
    for what in ("memory", "convolution", "training"):
        assert all(value > 0 for value in results[what].values())
        assert all(name in printed for name in results[what])
