"""The collector of garbage rests while Numba works, and afterwards is as it was."""

import gc

import pytest

from fastbp.base import garbage


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_as_before(on):
    before = gc.isenabled()
    (gc.enable if on else gc.disable)()
    try:
        with garbage.kept():
            assert not gc.isenabled()
        assert gc.isenabled() == on
        with pytest.raises(KeyboardInterrupt), garbage.kept():
            raise KeyboardInterrupt
        assert gc.isenabled() == on
    finally:
        (gc.enable if before else gc.disable)()
