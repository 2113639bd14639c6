"""A real Dask scheduler and two worker processes, one of them killed half-way: nothing lost, the same numbers."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import tsoar
from tests.studies.test_run import TREE, opened, same

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

GRID = {"part": [*TREE["part"], {"name": "more", "grid": {"skip": ["dark_current", "linearity", "refpix", "superbias"]}}]}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def scheduler():
    """Address of a scheduler, and its two workers as processes without a nanny that would start them again."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    base = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    ours = [
        subprocess.Popen(
            [*base, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **quiet
        )
    ]
    for k in range(2):
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", f"w{k}", "--memory-limit", "0"]
        ours.append(subprocess.Popen([*base, "distributed.cli.dask_worker", address, *options], **quiet))
    yield address, ours[1:]
    for process in ours[::-1]:
        process.kill()
        process.wait()


def test_a_worker_dies_and_nothing_is_lost(tiny, tmp_path, scheduler):
    address, workers = scheduler
    here = tsoar.study(*opened(tiny), GRID, out=tmp_path / "here")
    killed = []

    with distributed.Client(address, timeout=60) as client:
        client.wait_for_workers(2, timeout=120)

        def kill_one_at_work():
            """The first worker, once it is seen with a task of its own after the reference is done."""
            for _ in range(2400):
                busy = client.processing()
                both = [w for w, tasks in busy.items() if tasks]
                if len(both) == 2:
                    os.kill(workers[0].pid, signal.SIGKILL)
                    killed.append(both)
                    return
                time.sleep(0.05)

        thread = threading.Thread(target=kill_one_at_work)
        thread.start()
        there = tsoar.study(*opened(tiny), GRID, out=tmp_path / "there", executor=client)
        thread.join()
        assert len(client.scheduler_info()["workers"]) == 1
    assert killed
    assert workers[0].wait(10) == -signal.SIGKILL
    assert there.reduced == 7
    same(there.out, here.out)
