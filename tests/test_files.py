"""Files are written whole or not at all."""

import json
import os
import subprocess
import sys
import time

import pytest
from groundup import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["ä\n", b"\xff\n"])
def test_a_file_is_replaced(tmp_path, content):
    path = tmp_path / ("ü" * 120)  # of 240 bytes, where 255 are allowed
    path.write_text("old")
    files.write(str(path), content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert names(tmp_path) == [path.name]
    usual = tmp_path / "usual"
    usual.touch()
    assert path.stat().st_mode == usual.stat().st_mode


def test_a_link_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "x")
    files.write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "x").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["folder", "nowhere/x"])
def test_an_error_names_the_file_that_was_asked_for(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as error:
        files.write(tmp_path / name, "x")
    assert error.value.filename == str(tmp_path / name) and ".part" not in str(error.value)
    assert names(tmp_path) == ["folder"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_stays_one(tmp_path):
    """And so do devices: root, who may write in /dev, would make a file of /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write(pipe, b"new")
    assert os.read(reader, 9) == b"new" and pipe.is_fifo()
    os.close(reader)


def test_what_utf_8_cannot_hold_is_escaped_as_json_reads_it(tmp_path):
    files.write(tmp_path / "x", json.dumps({"name": "\udcffü"}, ensure_ascii=False))
    assert json.loads((tmp_path / "x").read_text(encoding="utf-8")) == {"name": "\udcffü"}


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_no_half_file_is_left(tmp_path, monkeypatch, function):
    (tmp_path / "x").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, function, fail)
    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "x", "new")
    assert names(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "old"


def test_an_error_in_the_middle_keeps_the_old_file(tmp_path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(ZeroDivisionError), files.whole(tmp_path / "x") as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert names(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "old"


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(files.os, "fsync", lambda _: seen.append((tmp_path / "x").exists()))
    files.write(tmp_path / "x", b"new")
    assert seen == [False, True]  # the file, then its folder


def test_two_who_write_one_file_do_not_mix(tmp_path):
    with files.whole(tmp_path / "x") as one, files.whole(tmp_path / "x") as other:
        one.write(b"a" * 9)
        other.write(b"bb")
    assert (tmp_path / "x").read_bytes() == b"a" * 9  # whose place was taken last


def test_what_a_killed_program_left_is_cleared_in_time(tmp_path):
    code = (
        "import os, sys; from groundup import files\n"
        "with files.whole(sys.argv[1]) as stream:\n    stream.write(b'x'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "x"], check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / ".y.1.part").touch()
    os.utime(tmp_path / ".y.1.part", (0, 0))
    files.write(tmp_path / "x", b"new")
    assert names(tmp_path) == sorted(["x", left.name, ".y.1.part"])  # it might still be writing
    os.utime(left, (time.time() - 2 * files.LITTER,) * 2)
    files.write(tmp_path / "x", b"new")
    assert names(tmp_path) == [".y.1.part", "x"]  # and that is another file's
