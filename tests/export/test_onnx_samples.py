"""Every sample of an op with an ONNX form, as a file of one op in onnxruntime: the reference's values within the
sample's tolerance, and where onnxruntime has no kernel or another opinion, that very gap."""

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from addax import engine
from addax.export.endpoint import make_endpoint
from addax.export.onnx import export_onnx
from addax.export.onnx.table import reason_against
from tests.export.helpers import session
from tests.samples import Sample, samples
from tests.table.helpers import as_float64, cast_inputs, reference, run

ROWS = {row["name"]: row for row in engine.op_table()}
# What later outputs hold, only gradients read.
OUTPUTS = {"lstm": 3, "gru": 2}

# Kernels that onnxruntime's CPU does not have: (op, dtype of the first input).
NO_KERNEL = {
    *((op, "float64") for op in ("tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh")),
    *((op, "float64") for op in ("erf", "erfc", "gelu", "gelu_slope")),
    *((op, "uint64") for op in ("floor_divide", "remainder", "max", "min", "argmax", "argmin", "sort", "argsort")),
}

# Samples whose values differ, and why.
NAN = "what a comparison with NaN gives, ONNX leaves open"
RANGE = "a float that the integer dtype does not hold, and NaN: ONNX leaves the cast open"
POWER = "a power of integers that overflows, or has a negative exponent: ONNX leaves it open"
DIFFERENT = {
    "sign-special": NAN,
    "max-nan": NAN,
    "min-nan": NAN,
    "argmax-nan": NAN,
    "argmax-nan of columns": NAN,
    "argmin-nan": NAN,
    "argmin-nan of columns": NAN,
    "max_pool-ties": NAN,
    "max_pool-lone nan": NAN,
    "atan2-special": "zeros with a sign and two infinities are not told apart",
    "erfinv-rows": "the polynomials have the digits of float32",
    "cast-int32 special": RANGE,
    "cast-int64 special": RANGE,
    "cast-uint32 special": RANGE,
    "cast-uint64 special": RANGE,
    "broadcast_to-to-empty": "onnxruntime drops an Expand to nothing between casts",
    **dict.fromkeys([f"power-{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)], POWER),
}


def dtypes(sample: Sample) -> list[str]:
    """Of the floats those that networks have; the one there is, for others."""
    if not any(a.dtype == np.float64 for a in sample.inputs()):
        return [""]
    return [d for d in ("float32", "float16", "bfloat16") if d in sample.dtypes] or [sample.dtypes[0]]


GROUPS = {
    name: [(s, d) for s in group if s.reference for d in dtypes(s)]
    for name, group in groupby(sorted(samples(), key=lambda s: s.op), key=lambda s: s.op)
    if not reason_against(ROWS[name])
}


def narrow(tensor: engine.Tensor) -> engine.Tensor:
    """bfloat16 goes in and comes out as float32: onnxruntime does not exchange it with NumPy."""
    return engine.apply("cast", tensor, dtype="float32") if tensor.dtype == "bfloat16" else tensor


def exported(sample: Sample, tensors: list[engine.Tensor], path: Path) -> list[str]:
    """Writes the op as a file; the names of its inputs."""

    def function(*given: engine.Tensor) -> list[engine.Tensor]:
        of_dtype = [engine.apply("cast", x, dtype=t.dtype) for x, t in zip(given, tensors, strict=True)]
        return [narrow(x) for x in run(sample, of_dtype)[: OUTPUTS.get(sample.op)]]

    endpoint = make_endpoint(sample.op, function, [narrow(t) for t in tensors], [f"x{i}" for i in range(len(tensors))])
    export_onnx(endpoint, path)
    return endpoint.input_names


def differs(sample: Sample, outputs: list[np.ndarray], tensors: list[engine.Tensor]) -> str:
    """How the outputs differ from the reference; nothing if they do not."""
    expected = reference(sample, [as_float64(t) for t in tensors])
    made = run(sample, tensors)
    for i, got in enumerate(outputs):
        want = expected[i]
        if got.shape != want.shape or str(got.dtype) != narrow(made[i]).dtype:
            return f"output {i} is {got.dtype}{got.shape}, not {made[i].dtype}{want.shape}"
        if sample.exact or got.dtype.kind != "f":
            want = as_float64(engine.tensor(want, made[i].dtype)) if got.dtype.kind == "f" else want.astype(got.dtype)
            same = np.array_equal(got, want, equal_nan=got.dtype.kind == "f")
        else:
            allowed = sample.allowed(made[i].dtype)
            same = np.allclose(got, want.astype(np.float64), rtol=allowed, atol=allowed, equal_nan=True)
        if not same:
            return f"output {i} is {got.reshape(-1)[:8]}, not {want.reshape(-1)[:8]}"
    return ""


@pytest.mark.parametrize("op", sorted(GROUPS))
def test_samples(op: str, tmp_path: Path) -> None:
    path, errors = tmp_path / "op.onnx", []
    missing, different = set(), set()
    for sample, dtype in GROUPS[op]:
        tensors = cast_inputs(sample.inputs(), dtype)
        names = exported(sample, tensors, path)
        try:
            loaded = session(path)
        except NoKernel as error:
            key = (op, tensors[0].dtype)
            missing.add(key)
            if key not in NO_KERNEL:
                errors.append(f"{sample}-{dtype}: {error}")
            continue
        arrays = {n: np.asarray(narrow(t)) for n, t in zip(names, tensors, strict=True)}
        problem = differs(sample, loaded.run(None, arrays), tensors)
        if problem:
            different.add(str(sample))
            if str(sample) not in DIFFERENT:
                errors.append(f"{sample}-{dtype}: {problem}")
    assert not errors, "\n".join(errors)
    # What is listed is there.
    assert missing == {key for key in NO_KERNEL if key[0] == op}
    assert different == {name for name in DIFFERENT if name.split("-")[0] == op}
