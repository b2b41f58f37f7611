"""Einstein summation, through matmul. Part of the matmul family."""

from __future__ import annotations

import math

from addax.engine import Tensor, apply
from addax.ops.convert import cast, same_dtype
from addax.ops.diagonal import diagonal
from addax.ops.operation import op


@op("Einsum")
def einsum(subscripts, *operands, **kwargs) -> Tensor:
    """Sums products of elements as a formula over the names of axes says.

    Args:
        subscripts: The formula, such as `"ij,jk->ik"`. A letter that is missing on the right is summed over; `...`
            stands for axes that are broadcast. Without `->`, the letters that occur once stay, in alphabetical order.
        *operands: A tensor for each term on the left.
        **kwargs: `optimize` is accepted; operands are always contracted from left to right.

    Returns:
        A tensor in the promoted dtype; int8 gives int32.

    Raises:
        ValueError: If the formula does not fit the operands.

    Example:

    >>> addax.ops.einsum("ij,jk->ik", [[1.0, 2.0]], [[3.0], [4.0]]).tolist()
    [[11.0]]
    """
    unknown = set(kwargs) - {"optimize"}
    if unknown:
        raise TypeError(f"einsum: unknown arguments {sorted(unknown)}")
    tensors = same_dtype(*operands)
    dtype = tensors[0].dtype
    if dtype in ("int8", "bool"):
        tensors = [cast(x, "int32") for x in tensors]
        dtype = "int32" if dtype == "int8" else dtype
    terms, output = _parse(subscripts, [x.ndim for x in tensors])
    _check_sizes(subscripts, terms, tensors)

    x, names = _own_diagonals(tensors[0], terms[0])
    for i in range(1, len(tensors)):
        y, other = _own_diagonals(tensors[i], terms[i])
        later = set(output).union(*terms[i + 1 :])
        x, names = _contract(x, names, y, other, later)
    x, names = _sum_out(x, names, set(output))
    order = tuple([names.index(n) for n in output])
    return cast(apply("transpose", x, axes=order) if order != tuple(range(len(order))) else x, dtype)


def _parse(subscripts: str, ranks: list[int]) -> tuple[list[list[str]], list[str]]:
    """The axis names of each operand and of the result. Axes under an ellipsis are named ".0", ".1", ... from the
    end.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(ranks):
        raise ValueError(f"einsum: {subscripts!r} has {len(parts)} terms, got {len(ranks)} operands")
    widest = 0
    terms = []
    for part, rank in zip(parts, ranks, strict=True):
        before, dots, after = part.partition("...")
        letters = len(before) + len(after)
        if not (before + after).isalpha() and letters:
            raise ValueError(f"einsum: term {part!r} of {subscripts!r} must be letters and at most one ellipsis")
        hidden = rank - letters
        if hidden < 0 or (hidden and not dots):
            raise ValueError(f"einsum: term {part!r} of {subscripts!r} names {letters} axes, the operand has {rank}")
        widest = max(widest, hidden)
        terms.append([*before, *[f".{i}" for i in reversed(range(hidden))], *after])
    shared = [f".{i}" for i in reversed(range(widest))]
    if arrow:
        before, dots, after = right.partition("...")
        output = [*before, *(shared if dots else []), *after]
    else:
        letters = [n for term in terms for n in term if not n.startswith(".")]
        output = [*shared, *sorted(n for n in set(letters) if letters.count(n) == 1)]
    known = {n for term in terms for n in term}
    if len(set(output)) != len(output) or not set(output) <= known:
        raise ValueError(f"einsum: the result of {subscripts!r} must name axes of the operands, each once")
    return terms, output


def _check_sizes(subscripts: str, terms: list[list[str]], tensors: list[Tensor]) -> None:
    sizes: dict[str, int] = {}
    for term, x in zip(terms, tensors, strict=True):
        for name, size in zip(term, x.shape, strict=True):
            known = sizes.setdefault(name, size)
            if known == 1:
                sizes[name] = size
            elif size not in (1, known):
                raise ValueError(
                    f"einsum: axis {name!r} of {subscripts!r} has sizes {known} and {size} in operands of shapes "
                    f"{[x.shape for x in tensors]}"
                )


def _own_diagonals(x: Tensor, names: list[str]) -> tuple[Tensor, list[str]]:
    """An axis named twice in one operand means its diagonal."""
    names = list(names)
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            a = names.index(name)
            b = names.index(name, a + 1)
            x = diagonal.__wrapped__(x, 0, a, b)
            del names[b], names[a]
            names.append(name)
    return x, names


def _sum_out(x: Tensor, names: list[str], keep: set[str]) -> tuple[Tensor, list[str]]:
    """Sums over the axes that nothing needs any more."""
    gone = tuple([i for i, n in enumerate(names) if n not in keep])
    if not gone:
        return x, names
    return cast(apply("sum", x, axes=gone), x.dtype), [n for n in names if n in keep]


def _contract(x: Tensor, a: list[str], y: Tensor, b: list[str], later: set[str]) -> tuple[Tensor, list[str]]:
    """Multiplies two operands and sums over what only they share: one batched matmul."""
    x, a = _sum_out(x, a, later.union(b))
    y, b = _sum_out(y, b, later.union(a))
    size_x, size_y = dict(zip(a, x.shape, strict=True)), dict(zip(b, y.shape, strict=True))
    shared = [n for n in a if n in size_y]
    batch = [n for n in shared if n in later]
    inner = [n for n in shared if n not in later]
    rows, columns = [n for n in a if n not in shared], [n for n in b if n not in shared]
    # An axis of size 1 in one operand only is broadcast.
    wide = {n: max(size_x[n], size_y[n]) for n in inner}
    x = _arranged(x, a, batch, rows, inner, wide)
    y = _arranged(y, b, batch, inner, columns, wide)
    result = apply("matmul", x, y)
    names = batch + rows + columns
    shape = [max(size_x[n], size_y[n]) for n in batch] + [size_x[n] for n in rows] + [size_y[n] for n in columns]
    return apply("reshape", result, shape=tuple(shape)), names


def _arranged(
    x: Tensor, names: list[str], batch: list[str], rows: list[str], columns: list[str], wide: dict[str, int]
) -> Tensor:
    """The operand as (batch..., rows, columns)."""
    order = [names.index(n) for n in (*batch, *rows, *columns)]
    x = apply("transpose", x, axes=tuple(order)) if order else x
    shape = [wide.get(n, d) for n, d in zip((*batch, *rows, *columns), x.shape, strict=True)]
    if tuple(shape) != x.shape:
        x = apply("broadcast_to", x, shape=tuple(shape))
    k = len(batch)
    m = math.prod(shape[k : k + len(rows)])
    return apply("reshape", x, shape=(*shape[:k], m, math.prod(shape[k + len(rows) :])))
