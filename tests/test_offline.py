"""Kernels under test have no network beyond loopback."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

PROBES = {
    "an address": "import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)",
    "an IPv6 address": "import socket; socket.create_connection(('2001:db8::1', 80), timeout=3)",
    "a name": "import socket; socket.getaddrinfo('example.org', 80)",
    "a datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "a download": "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=3)",
    "a child process": "import subprocess, sys; subprocess.run([sys.executable, '-c', \"import socket; "
    "socket.create_connection(('192.0.2.1', 80), timeout=3)\"], check=True)",
}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_no_way_out(probe):
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=30)
    assert run.returncode != 0
    assert "no network under test" in run.stderr


def test_loopback_stays_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), timeout=3)"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
        subprocess.run([sys.executable, "-c", code.replace("127.0.0.1", "localhost")], check=True, timeout=30)


def test_a_kernel_has_no_network():
    assert "offline" in os.environ["PYTHONPATH"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PROBES["an address"])])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="no network under test"):
        nbclient.NotebookClient(notebook, kernel_name="python3", timeout=30).execute()


def test_a_chapter_that_runs_has_no_network(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in ("# a chapter", PROBES["an address"])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_probe.ipynb")
    run = subprocess.run(
        [sys.executable, "-m", "coursetools.run", "01", "--out", tmp_path / "out"],
        env={**os.environ, "GROUNDUP_NOTEBOOKS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1 and "no network under test" in run.stdout


def test_no_test_takes_the_guard_away():
    """What starts a process hands the variable on; the files named here say why they do not, or put the guard back."""
    tests = Path(__file__).parent
    own = {"test_offline.py", "test_packages.py", "test_new.py", "test_grade.py"}
    for path in {*tests.glob("*.py")} - {tests / name for name in own}:
        text = path.read_text(encoding="utf-8")
        assert "PYTHONPATH" not in text, path.name
        assert not re.search(r"env=\{(?!\*\*)|env=dict\((?!os\.environ)", text), path.name
