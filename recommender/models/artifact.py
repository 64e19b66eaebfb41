"""A model as one JSON manifest and one blob of arrays: what the database stores of a run."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from recommender.errors import DataError
from recommender.models.hybrid import HybridModel
from recommender.models.state import Arrays

FORMAT = 1
"""Version of the layout; a reader refuses any other."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(model: HybridModel) -> tuple[dict[str, Any], bytes]:
    """Take a model apart.

    Returns
    -------
    manifest, blob
        The manifest carries the blob's SHA-256. The same model gives the same bytes.
    """
    blob = _zipped(model.arrays())
    digest = hashlib.sha256(blob).hexdigest()
    return {"format": FORMAT, "sha256": digest, **model.manifest()}, blob


def unpack(manifest: Mapping[str, Any], blob: bytes) -> HybridModel:
    """Put a model together again.

    Raises
    ------
    DataError
        If the format is another, the blob is not the manifest's, or either is incomplete.
    """
    if manifest.get("format") != FORMAT:
        raise DataError(
            f"the stored model has format {manifest.get('format')!r}, this version reads {FORMAT}"
        )
    if hashlib.sha256(blob).hexdigest() != manifest.get("sha256"):
        raise DataError("the stored model is damaged: its arrays do not match its manifest's hash")
    return HybridModel.from_parts(manifest, _unzipped(blob))


def _zipped(arrays: Arrays) -> bytes:
    """As ``np.savez`` would, but with a fixed date, so that equal arrays give equal bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            entry = io.BytesIO()
            np.save(entry, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), entry.getvalue())
    return target.getvalue()


def _unzipped(blob: bytes) -> Arrays:
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError("the stored model's arrays can't be read") from error
