"""A process that has everything imported and compiled, and forks a child for each `tsoar` command it is asked to run.

A child starts at once and may do what it likes: be killed, hang, die, or eat memory; what it did is measured from
outside. `Nursery` is the side of the tests; run as a program this file is the other side (one JSON line per command).
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None
    """exit code; None when a signal ended it"""
    signal: int | None
    out: str
    err: str
    peak: float
    """largest resident memory [MiB], the imported packages included"""
    seconds: float
    cpu: float
    """[s]"""
    events: int
    """files opened, renamed, removed under the watched folder"""

    @property
    def lines(self):
        return [line for line in self.err.splitlines() if line.strip()]


class Nursery:
    """The side of the tests."""

    def __init__(self):
        self._dir = tempfile.TemporaryDirectory(prefix="tsoar-nursery-")
        self.folder = Path(self._dir.name)
        self._log = (self.folder / "log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
        self._log.close()
        self._dir.cleanup()

    def run(self, *args, timeout=60.0, kill_after=None, die_at=None, watch="", memory=None, figures=True, patch="", env=None):
        """Run ``tsoar *args`` in a child.

        Parameters
        ----------
        timeout : a child that lives longer is killed, and its signal is SIGALRM [s].
        kill_after : SIGKILL after so many seconds.
        die_at : SIGKILL at the n-th time that a file under ``watch`` is opened, renamed or removed, before it happens; a
            text: when a file with that in its name is about to get its final name.
        memory : limit on the address space beyond what the parent has [MiB].
        figures : False leaves the figures out.
        patch : Python to execute in the child first.
        """
        asked = {
            "args": [str(a) for a in args], "timeout": timeout, "kill_after": kill_after, "die_at": die_at,
            "watch": str(watch), "memory": memory, "figures": figures, "patch": patch, "env": env or {},
            "folder": str(self.folder),
        }  # fmt: skip
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], timeout + 120)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            raise RuntimeError(f"the nursery is gone: {(self.folder / 'log').read_text()[-2000:]}")
        told = json.loads(line)
        out, err = ((self.folder / name).read_text("utf-8", "replace") for name in ("out", "err"))
        return Ended(told["code"], told["signal"], out, err, told["peak"], told["seconds"], told["cpu"], told["events"])


def finished(out):
    """Bytes of every file under a final name; run.json without its performance part."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if not path.is_file() or name.startswith(".partial/") or name.endswith(".part"):
            continue
        data = path.read_bytes()
        if name == "run.json":
            data = json.dumps({k: v for k, v in json.loads(data).items() if k != "performance"}).encode()
        found[name] = data
    return found


# -- the other side ---------------------------------------------------------------------------------------------------


def preload():
    """Everything a run imports, and its kernels: by running once."""
    from tests.make import tiny_exposure
    from tsoar.cli import cli

    with tempfile.TemporaryDirectory(prefix="tsoar-warm-") as folder:
        tiny = tiny_exposure(Path(folder) / "in", n_int=9, n_groups=3, segments=1)
        cli(["run", str(tiny.folder), "--refs", str(tiny.refs), "--out", f"{folder}/out", "--quiet"], standalone_mode=False)


def child(asked):
    """Run the command; never returns."""
    for name, descriptor in (("out", 1), ("err", 2)):
        file = os.open(Path(asked["folder"]) / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, descriptor)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.environ.update(asked["env"])
    if asked["memory"] is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + int(asked["memory"] * MIB)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if not asked["figures"]:
        from tsoar.reduce import products

        products.figures = lambda *args: []
    events, counter = 0, os.open(Path(asked["folder"]) / "events", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    watch, die_at = asked["watch"], asked["die_at"]

    def hook(event, args):
        nonlocal events
        if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir") and str(args[0]).startswith(watch):
            events += 1
            os.pwrite(counter, f"{events:9d}".encode(), 0)
            if events == die_at or (event == "os.rename" and isinstance(die_at, str) and die_at in str(args[0])):
                os.kill(os.getpid(), signal.SIGKILL)

    if watch:
        sys.addaudithook(hook)
    if asked["patch"]:
        exec(asked["patch"], {})
    sys.argv = ["tsoar", *asked["args"]]
    code = 70
    try:
        from tsoar.cli import main

        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    os._exit(code)


def serve():
    """Fork a child for each line of stdin, say how it ended on stdout."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    preload()
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            child(asked)
        hung = False

        def stop(number, frame, pid=pid, killing=asked["kill_after"] is not None):
            nonlocal hung
            hung = not killing
            os.kill(pid, signal.SIGKILL)

        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, asked["kill_after"] if asked["kill_after"] is not None else asked["timeout"])
        _, status, usage = os.wait4(pid, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        events = Path(asked["folder"], "events")
        told = {
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": int(signal.SIGALRM) if hung else by_signal,
            "peak": usage.ru_maxrss / 1024,
            "seconds": time.perf_counter() - start,
            "cpu": usage.ru_utime + usage.ru_stime,
            "events": int(events.read_text() or 0) if events.exists() else 0,
        }
        answers.write(json.dumps(told) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
