"""Who is let in, and where from; how it ends."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tsoar.errors import ConfigError
from tsoar.explorer.server import Serving

PROGRAM = """
from tsoar.explorer.server import serve
serve(lambda doc: None, ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


def answer(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as r:
            return r.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_only_with_the_token_only_from_here_and_ctrl_c_ends_it():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        root, token = url.rstrip("/").rsplit("/", 1)
        assert len(token) >= 32
        assert answer(url) == 200
        assert answer(f"{url}static/js/bokeh.min.js") == 200
        for path in ("", "/", "/wrong/", "/ws", "/static/js/bokeh.min.js", "/favicon.ico", f"/{token[:-1]}/", f"/x/{token}/"):
            assert answer(root + path) == 403, path
        assert answer(url, Host="elsewhere.example") == 403, "a name that resolves to this machine is not this machine"
        if os.path.exists("/proc/net/tcp"):  # the sockets of Linux: bound to 127.0.0.1 and nowhere else
            port = int(root.rpartition(":")[2])
            with open("/proc/net/tcp") as f:
                listening = [line.split()[1] for line in f if line.split()[3] == "0A"]
            assert [a for a in listening if a.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=120)
        assert process.returncode == 0
        assert said.strip() == "ended"
        assert complaints == ""
    finally:
        process.kill()
        process.communicate()  # closes the pipes too


def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port {port}: cannot be had"):
            Serving(lambda doc: None, port)
