# SPDX-License-Identifier: MIT
"""The arrays of jem-score agree with their definitions. check_scores.py DIR"""
import sys

import numpy as np

f, p, log_px, mass, pred, grad = (
    np.load(f"{sys.argv[1]}/{name}.npy")
    for name in ("logits", "prob_y", "log_px", "mass", "pred", "grad_log_px")
)
n = len(f)
assert f.shape == p.shape == (n, 10) and log_px.shape == mass.shape == pred.shape == (n,)
assert grad.shape == (n, 1, 28, 28)
assert pred.dtype == np.int32 and f.dtype == p.dtype == grad.dtype == np.float32
g = f.astype(np.float64)
top = g.max(axis=1, keepdims=True)
lse = top[:, 0] + np.log(np.exp(g - top).sum(axis=1))
assert np.allclose(log_px, lse, rtol=1e-6, atol=1e-6)
assert np.allclose(p, np.exp(g - lse[:, None]), atol=1e-6)
assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
assert (pred == f.argmax(axis=1)).all()
norm = np.sqrt((grad.astype(np.float64).reshape(n, -1) ** 2).sum(axis=1))
assert np.allclose(mass, -norm, rtol=1e-5) and (norm > 0).all()
