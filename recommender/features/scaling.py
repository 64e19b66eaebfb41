"""Centre and spread of columns, learned once a run; applying them is plain arithmetic."""

from __future__ import annotations

import numpy as np

from recommender.dataset import FloatArray


def centre_and_scale(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each column, leaving NaN out.

    Parameters
    ----------
    columns
        Shape [n_rows, n_columns]. A column that is constant has the scale 1, one without any
        value the centre 0 as well.

    Returns
    -------
    centre, scale
        Each of shape [n_columns].

    Examples
    --------
    >>> nan = np.nan
    >>> [part.tolist() for part in centre_and_scale(np.array([[1.0, 7.0, nan], [3.0, nan, nan]]))]
    [[2.0, 7.0, 0.0], [1.0, 1.0, 1.0]]
    """
    centre, scale = np.zeros(columns.shape[1]), np.ones(columns.shape[1])
    some = np.flatnonzero(~np.isnan(columns).all(axis=0))
    if len(some):
        # needed for training only; importing it would cost a server most of a second
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(columns[:, some])
        centre[some], scale[some] = scaler.mean_, scaler.scale_
    return centre, scale
