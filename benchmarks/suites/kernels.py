"""Each kernel on one core, as a fraction of the multiply-adds that the core makes in the same run."""

import numpy as np
from kernels import kernels, peak, ratios

SHAPES = {"128x512x512": (128, 512, 512), "64x784x128": (64, 784, 128), "32x16x32": (32, 16, 32)}


class Kernels:
    """Batch x inputs x outputs of one layer, on data that its kernels have just seen."""

    params = (["forward", "backward", "gradient + momentum"], ["float32", "float64"], list(SHAPES))
    param_names = ("kernel", "dtype", "shape")
    unit = "of the FMA peak"

    def setup(self, kernel: str, dtype: str, shape: str) -> None:
        kind = np.dtype(dtype).type
        self.peak, self.kernel = peak(kind), kernels(kind, *SHAPES[shape])[kernel]

    def track_fraction(self, kernel: str, dtype: str, shape: str) -> float:
        return float(np.median(ratios(self.kernel, self.peak, 60)))

    track_fraction.unit = unit
