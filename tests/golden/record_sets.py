#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write the small MAT-files in tests/golden/sets with SciPy, in the form of SVHN's.

    apt-get install python3-scipy python3-numpy
    python3 record_sets.py [FOLDER]        # default: sets/ beside this file

Images and labels are those of images() and labels() in tests/cli/make_sets.py.
"""

import pathlib
import sys

import numpy
from scipy.io import savemat

HERE = pathlib.Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "cli"))
from make_sets import images, labels  # noqa: E402


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "sets")
    folder.mkdir(exist_ok=True)
    files = (("train", 12, True, "u1"), ("test", 2, False, "f8"), ("extra", 1, True, "u1"))
    for name, n, packed, kind in files:
        x = images(n).transpose(2, 3, 1, 0)  # rows, columns, channels, images
        y = labels(n, 10).astype(kind)
        y[y == 0] = 10
        path = folder / f"{name}_32x32.mat"
        savemat(path, {"X": numpy.asfortranarray(x), "y": y[:, None]}, do_compression=packed)
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
