"""Predictions."""

from cases import CASES


class Inference:
    """Of one row, and of many."""

    params, param_names = (["XS", "S", "M"], [1, 10_000]), ("case", "rows")

    def setup(self, case: str, rows: int) -> None:
        self.network, self.X = CASES[case].trainer().network, CASES[case].data()[0][:rows].copy()
        self.network.predict(self.X)

    def time_predict(self, case: str, rows: int) -> None:
        self.network.predict(self.X)
