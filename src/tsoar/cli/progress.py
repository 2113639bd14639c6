"""Progress on stderr: a bar with the time left on a terminal, plain lines at intervals otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tsoar.cli.outcome import say

Progress = Callable[[str, int, int], None]

INTERVAL = 5.0
"""between plain lines [s]"""


def left(seconds: float) -> str:
    """Time left in words.

    >>> left(75), left(4)
    ('1:15 left', '0:04 left')
    """
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d} left" if hours else f"{minutes}:{whole % 60:02d} left"


def lines(
    write: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic, interval: float = INTERVAL
) -> Progress:
    """One line when a stage begins and ends, and every ``interval`` seconds between."""
    stage_now, began, last = "", 0.0, 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal stage_now, began, last
        now = clock()
        new = stage != stage_now
        if new:
            stage_now, began = stage, now
        if not new and done < total and now - last < interval:
            return
        last = now
        counted = f" {done}/{total}" if total > 1 else ""
        rest = f", {left((now - began) / done * (total - done))}" if 0 < done < total and now > began else ""
        if new or total > 1:
            write(f"{stage}{counted}{rest}")

    return progress


@contextmanager
def shown(quiet: bool) -> Iterator[Progress | None]:
    """A progress callback for `tsoar.run`, fit for where stderr goes; None when quiet."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Bar(*columns, TimeRemainingColumn(), TextColumn("left"), console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in tasks.values():  # a stage without a count ends when the next begins
                    bar.update(task, total=1, completed=1) if bar.tasks[task].total is None else bar.stop_task(task)
                tasks[stage] = bar.add_task(stage, count="")
            countable = total > 1 or done == total
            count = f"{done}/{total}" if total > 1 else ""
            bar.update(tasks[stage], completed=done, total=total if countable else None, count=count)

        yield progress
