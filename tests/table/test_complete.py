"""Every row of the op table has every column filled; each missing cell is named."""

import pytest

from addax import engine
from tests.cuda.build import emulation
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


def test_complete_in_onnx() -> None:
    from addax.export.onnx.table import reason_against, rows

    table = engine.op_table()
    missing = [f"{r['name']}: no ONNX lowering" for r in table if not reason_against(r) and r["name"] not in rows()]
    assert not missing, "\n".join(missing)
    assert set(rows()) <= {row["name"] for row in table if not reason_against(row)}
    # What networks compute in inference has a form: only gradients, updates and what plans are made of have none.
    without = {r["name"] for r in table if reason_against(r) and r["family"] not in ("optimizer", "fused")}
    assert {name for name in without if not name.endswith(("_grad", "_fused"))} == {"max_pool_select"}


def test_complete_on_cuda() -> None:
    emulation()
    missing = [f"{row['name']}: no CUDA kernel" for row in engine.op_table() if not row["cuda"]]
    assert not missing, "\n".join(missing)


def test_no_sample_without_op() -> None:
    known = {row["name"] for row in engine.op_table()}
    assert {s.op for s in samples()} | {s.op for s in error_samples()} <= known
