"""What a fresh process waits for."""

import tempfile

from startup import FIT, IMPORT, seconds


class Startup:
    """The import beyond that of Numba, and the first fit."""

    unit, timeout = "s", 300

    def setup(self) -> None:
        self.cache = tempfile.TemporaryDirectory()

    def teardown(self) -> None:
        self.cache.cleanup()

    def track_import(self) -> float:
        return min(seconds(IMPORT, self.cache.name)[1] for _ in range(5))

    def track_first_fit_cold(self) -> float:
        return seconds(FIT, self.cache.name)[0]

    def track_first_fit_warm(self) -> float:
        seconds(FIT, self.cache.name)
        return min(seconds(FIT, self.cache.name)[0] for _ in range(5))

    track_import.unit = track_first_fit_cold.unit = track_first_fit_warm.unit = unit
