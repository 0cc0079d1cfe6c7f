"""The most memory that a process holds."""

from cases import CASES


class Memory:
    """Without data and kernels, and while training."""

    def peakmem_import(self) -> None:
        import fastbp  # noqa: F401

    def peakmem_fit(self) -> None:
        case = CASES["S"]
        case.trainer().fit(*case.data())

    def peakmem_predict(self) -> None:
        case = CASES["S"]
        case.trainer().network.predict(case.data()[0])
