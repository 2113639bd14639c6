"""What is set aside for the figures comes back."""

import gc

import pytest

from tsoar.reduce.memory import what_is_there_stays


def test_old_objects_are_left_alone_and_looked_at_again_afterwards():
    class Ring:
        """Holds on to itself: only a search for cycles frees it."""

        gone: list[str] = []

        def __init__(self, name):
            self.me, self.name = self, name

        def __del__(self):
            self.gone.append(self.name)

    gc.collect()
    old = [Ring("old")]
    with pytest.raises(ZeroDivisionError), what_is_there_stays():
        assert gc.get_freeze_count() > 1000
        Ring("new")
        old.clear()
        gc.collect()
        assert Ring.gone == ["new"]
        with what_is_there_stays():  # inside another: nothing changes
            pass
        assert gc.get_freeze_count() > 1000
        raise ZeroDivisionError
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert Ring.gone == ["new", "old"]
