"""Every row of the op table has every column filled; each missing cell is named."""

import pytest

from addax import engine
from tests.cuda.build import emulation
from tests.cuda.missing import MISSING
from tests.samples import error_samples, samples


def test_complete() -> None:
    rows = {s.op for s in samples()}
    big = {s.op for s in samples() if s.big}
    refused = {s.op for s in error_samples()}
    missing = []
    for row in engine.op_table():
        name = row["name"]
        cells = {
            "infer": row["has_infer"],
            "gradient (or differentiable = false)": row["has_vjp"] or not row["differentiable"],
            "CPU kernel": row["cpu"],
            "sample": name in rows,
            "big sample (threads)": name in big,
            "error sample": name in refused,
        }
        missing += [f"{name}: no {cell}" for cell, filled in cells.items() if not filled]
    assert not missing, "\n".join(missing)


def test_complete_on_jax() -> None:
    pytest.importorskip("jax")
    from addax.jax.table import rows

    missing = [f"{row['name']}: no JAX lowering" for row in engine.op_table() if row["name"] not in rows()]
    assert not missing, "\n".join(missing)
    assert set(rows()) <= {row["name"] for row in engine.op_table()}


def test_cuda_column() -> None:
    """A row has a CUDA kernel or stands in the list of those without, not both. The list must shrink."""
    emulation()
    table = engine.op_table()
    wrong = [f"{row['name']}: no CUDA kernel" for row in table if not row["cuda"] and row["name"] not in MISSING]
    wrong += [
        f"{row['name']}: has a CUDA kernel, yet is listed without"
        for row in table
        if row["cuda"] and row["name"] in MISSING
    ]
    wrong += [f"{name}: listed, but no row" for name in MISSING - {row["name"] for row in table}]
    assert not wrong, "\n".join(wrong)


def test_no_sample_without_op() -> None:
    known = {row["name"] for row in engine.op_table()}
    assert {s.op for s in samples()} | {s.op for s in error_samples()} <= known
