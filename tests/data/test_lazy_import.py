"""Importing the package costs nothing that is not used."""

from __future__ import annotations

import subprocess
import sys


def test_data_sets_are_read_without_torch():
    code = (
        "import sys, numpy as np, sciflow.data as sd\n"
        "heavy = {'torch', 'jax', 'xarray', 'h5py'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "data = sd.from_arrays({'u': np.zeros((4, 3, 5))})\n"
        "data.with_split(sd.splits.random(4, counts={'train': 3, 'test': 1})).train.array()\n"
        "assert not {'torch', 'jax', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert {'Windows', 'Normaliser', 'open_dataset'} <= set(dir(sd))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
