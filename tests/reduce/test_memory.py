"""What is set aside for the figures comes back."""

import gc

from tsoar.reduce.memory import what_is_there_stays


def test_old_objects_are_left_alone_and_looked_at_again_afterwards():
    gone = []

    class Ring:
        """Holds on to itself: only a search for cycles frees it."""

        def __init__(self, name):
            self.me, self.name = self, name

        def __del__(self):
            gone.append(self.name)

    gc.collect()
    old = [Ring("old")]
    with what_is_there_stays():
        assert gc.get_freeze_count() > 1000
        Ring("new")
        old.clear()
        gc.collect()
        assert gone == ["new"]
        with what_is_there_stays():  # inside another: nothing changes
            pass
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert gone == ["new", "old"]
