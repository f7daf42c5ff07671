# SPDX-License-Identifier: MIT
"""Errors: measured, judged, printed."""

import dataclasses

import numpy


def relative(got, want):
    """||got - want|| / ||want||; a reference of zeros wants zeros."""
    got, want = numpy.asarray(got, numpy.float64), numpy.asarray(want, numpy.float64)
    if got.size != want.size:
        return float("inf")
    difference = numpy.linalg.norm(got.ravel() - want.ravel())
    size = numpy.linalg.norm(want.ravel())
    error = difference / size if size > 0 else difference
    return float(error) if numpy.isfinite(error) else float("inf")


def worst(got, want):
    """The largest relative error of a tensor, or of an image where there are no tensors with
    names, and which one it is. Lists of single numbers are compared as a whole."""
    if isinstance(want, dict):
        if set(got) != set(want):
            return float("inf"), "names differ"
        errors = {name: relative(got[name], want[name]) for name in want}
    elif numpy.ndim(want) > 1 and len(got) == len(want):
        errors = {f"image {i}": relative(got[i], want[i]) for i in range(len(want))}
    else:
        return relative(got, want), ""
    where = max(errors, key=errors.get)
    return errors[where], where if errors[where] > 0 else ""


def short(error):
    return f"{error:.1e}" if error > 0 else "0"


@dataclasses.dataclass(frozen=True)
class Row:
    quantity: str
    network: str
    kernels: str
    error: float
    where: str
    allowed: float
    own: float  # PyTorch's error in float, or None

    def good(self):
        return self.error <= self.allowed  # not so for NaN


class Table:
    def __init__(self):
        self.rows = []

    def add(self, quantity, network, kernels, got, want, allowed, own=None):
        """Compare `got` with `want`; `own` is what PyTorch says in float."""
        error, where = worst(got, want)
        own = None if own is None else worst(own, want)[0]
        self.rows.append(Row(quantity, network, kernels, error, where, allowed, own))

    def add_verdict(self, quantity, network, kernels, good, where=""):
        """Something that is so or is not so."""
        self.rows.append(Row(quantity, network, kernels, 0 if good else 1, where, 0, None))

    def failed(self):
        return [row for row in self.rows if not row.good()]

    def groups(self, *fields):
        """The rows that agree in these fields, together, in order."""
        found = {}
        for row in self.rows:
            found.setdefault(tuple(getattr(row, field) for field in fields), []).append(row)
        return found.values()

    def text(self):
        """A line for each quantity and network, that of the kernels with the largest error; and
        each failure."""
        line = "{:<36} {:<31} {:<11} {:>8} {:>8} {:>9}  {}"
        yield line.format("quantity", "network", "kernels", "error", "allowed", "torch f32",
                          "where")
        shown = [max(rows, key=lambda row: row.error)
                 for rows in self.groups("quantity", "network")]
        for row in dict.fromkeys(shown + self.failed()):
            yield line.format(
                row.quantity, row.network, row.kernels, short(row.error), short(row.allowed),
                "" if row.own is None else short(row.own),
                row.where + ("" if row.good() else "   FAILED"))

    def markdown(self):
        """A line for each quantity: the largest error of all networks and kernels."""
        yield "| what | comparisons | largest error | where | allowed | PyTorch in float |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for alike in self.groups("quantity"):
            for allowed in sorted({row.allowed for row in alike}):
                yield self.markdown_line([row for row in alike if row.allowed == allowed])

    def markdown_line(self, rows):
        row = max(rows, key=lambda row: row.error)
        own = [r.own for r in rows if r.own is not None]
        place = (row.network, row.kernels, row.where) if row.error > 0 else (row.where,)
        cells = (row.quantity.replace("|", "\\|"), str(len(rows)), short(row.error),
                 ", ".join(filter(None, place)), short(row.allowed),
                 short(max(own)) if own else "")
        return "| " + " | ".join(cells) + " |"
