"""Sizes that are not known until a model runs, and how others follow them: what makes one graph serve any batch size.

A graph is traced at several sizes. Whatever integer differs between the traces, a dim or a number among the
attributes, is fitted by a polynomial of the unknown sizes that is linear in each of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Per unknown size two sizes at which traces are made and one at which their fit is tested. Even and odd ones, for
# what depends on parity, and none that a model is likely to have of its own.
_POINTS = ((22, 37, 58), (46, 61, 87), (52, 69, 95), (74, 91, 116))


@dataclass(frozen=True)
class Size:
    """A size that follows unknown ones.

    Args:
        terms: Per product of sizes, given by their names in order, its factor; `()` is the constant's. `@8.1` is the
            name of dim 1 of value 8 of the graph, of which only the shape rules know how it follows.
    """

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @property
    def values(self) -> set[int]:
        """The values of the graph of which a dim is named."""
        return {int(name[1:].split(".")[0]) for names, _ in self.terms for name in names if name[0] == "@"}

    def at(self, sizes: Mapping[str, int]) -> int:
        """Returns the number for some values of the unknown sizes."""
        total = 0
        for names, factor in self.terms:
            for name in names:
                factor *= sizes[name]
            total += factor
        return total

    def text(self, number: Mapping[int, int]) -> str:
        """Returns it as text, with these numbers for the values of the graph."""

        def shown(name: str) -> str:
            if name[0] != "@":
                return name
            value, _, axis = name[1:].partition(".")
            return f"%{number[int(value)]}.{axis}"

        return " + ".join(
            "*".join([str(factor)] * (factor != 1 or not names) + [shown(name) for name in names])
            for names, factor in self.terms
        )

    def __str__(self) -> str:
        return self.text({value: value for value in self.values})


class Samples:
    """The sizes at which traces are made, and the fit of what differs between them.

    Args:
        names: Of the unknown sizes.

    Raises:
        ValueError: For more unknown sizes than can be told apart.
    """

    def __init__(self, names: Sequence[str]):
        if len(names) > len(_POINTS):
            raise ValueError(f"Expected at most {len(_POINTS)} sizes that are not known. Received: {', '.join(names)}")
        self.names = tuple(names)
        self._points = _POINTS[: len(names)]
        corners = itertools.product(*[range(2)] * len(names))
        #: One mapping from names to numbers for each trace; the last one only tests the fit.
        self.sizes = [self._mapping(corner) for corner in corners]
        if names:
            self.sizes.append(self._mapping([2] * len(names)))
        #: What the sizes found by shape rules are in the traces, by name.
        self.derived: dict[str, tuple[int, ...]] = {}

    def _mapping(self, corner: Sequence[int]) -> dict[str, int]:
        return {name: points[i] for name, points, i in zip(self.names, self._points, corner, strict=True)}

    def derive(self, name: str, values: tuple[int, ...]) -> None:
        """Notes a size that shape rules find, unless it is a known one."""
        if values not in self.derived.values():
            self.derived[name] = values

    @property
    def known(self) -> dict[str, tuple[int, ...]]:
        """What every named size is in the traces."""
        return {name: tuple(at[name] for at in self.sizes) for name in self.names} | self.derived

    def fit(self, values: Sequence[int]) -> int | Size | None:
        """Returns the number, or the size, that has these values in the traces; `None` if there is none.

        Args:
            values: One per trace.
        """
        if all(value == values[0] for value in values):
            return values[0]
        return self._polynomial(values) or self._product(values)

    def _polynomial(self, values: Sequence[int]) -> Size | None:
        # Divided differences, one unknown size after the other: coefficients in Newton's form.
        corners = dict(zip(itertools.product(*[range(2)] * len(self.names)), values, strict=False))
        for axis, (first, second, _) in enumerate(self._points):
            for corner in corners:
                if corner[axis]:
                    below = (*corner[:axis], 0, *corner[axis + 1 :])
                    quotient, rest = divmod(corners[corner] - corners[below], second - first)
                    if rest:
                        return None
                    corners[corner] = quotient
        # To powers of the sizes: each factor (size - first) is multiplied out.
        terms: dict[tuple[str, ...], int] = {}
        for corner, coefficient in corners.items():
            chosen = [i for i, taken in enumerate(corner) if taken]
            for kept in itertools.product(*[range(2)] * len(chosen)):
                factor = coefficient
                for i, keep in zip(chosen, kept, strict=True):
                    factor *= 1 if keep else -self._points[i][0]
                names = tuple(self.names[i] for i, keep in zip(chosen, kept, strict=True) if keep)
                terms[names] = terms.get(names, 0) + factor
        size = Size(_ordered(terms))
        return size if all(size.at(s) == v for s, v in zip(self.sizes, values, strict=True)) else None

    def _product(self, values: Sequence[int]) -> Size | None:
        """A number of times the product of up to three sizes, derived ones among them, and a number more."""
        known = self.known
        for count in range(1, 4):
            for chosen in itertools.combinations(known, count):
                if not any(name in self.derived for name in chosen):
                    continue
                products = [math.prod(known[name][i] for name in chosen) for i in range(len(values))]
                low, high = (
                    min(range(len(values)), key=products.__getitem__),
                    max(range(len(values)), key=products.__getitem__),
                )
                if products[low] == products[high]:
                    continue
                factor, rest = divmod(values[high] - values[low], products[high] - products[low])
                more = values[low] - factor * products[low]
                if rest == 0 and factor and all(factor * p + more == v for p, v in zip(products, values, strict=True)):
                    return Size(((tuple(chosen), factor),) + ((((), more),) if more else ()))
        return None


def combined(*terms: tuple[int, int | Size]) -> int | Size:
    """Returns the sum of sizes, each times a factor.

    Args:
        *terms: Factors and sizes.
    """
    total: dict[tuple[str, ...], int] = {}
    for factor, size in terms:
        for names, times in size.terms if isinstance(size, Size) else (((), size),):
            total[names] = total.get(names, 0) + factor * times
    ordered = _ordered(total)
    if all(not names for names, _ in ordered):
        return sum(v for _, v in ordered)
    return Size(ordered)


def _ordered(terms: Mapping[tuple[str, ...], int]) -> tuple[tuple[tuple[str, ...], int], ...]:
    """The terms of a `Size`: those that are not zero, the longest products first."""
    return tuple(sorted(((k, v) for k, v in terms.items() if v), key=lambda term: (-len(term[0]), term[0])))
