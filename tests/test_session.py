"""A quiet start, the same numbers each time, and an instant import."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from groundup import session


def run(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )


@pytest.fixture(scope="module")
def started():
    """A finished process that started a chapter and drew numbers, did so once more, and then imported JAX."""
    code = (
        "from groundup import session; import sys, random, numpy as np\n"
        "for _ in range(2):\n"
        "    session.start(7)\n"
        "    import keras\n"
        "    print(random.random(), np.random.rand(), *(float(keras.random.uniform(())) for _ in range(2)))\n"
        "print('jax' in sys.modules, flush=True)\n"
        "import jax; print(jax.__name__)"
    )
    return run(code)


def test_start_is_quiet_and_seeds_everything(started):
    """In one process. That another draws the same is what nbval finds for every chapter."""
    assert started.returncode == 0, started.stderr
    assert started.stderr == ""
    lines = started.stdout.splitlines()
    assert lines[0] == "ready: seed 7, Keras 3 on TensorFlow"
    assert lines[:2] == lines[2:4] and len(set(lines[1].split())) == 4


def test_jax_is_not_loaded_where_it_is_not_the_engine(started):
    assert started.stdout.endswith("\nFalse\njax\n")  # and it can be, afterwards


def test_the_package_is_imported_without_keras_at_once():
    code = (
        "import time, sys; start = time.perf_counter(); import groundup; took = time.perf_counter() - start\n"
        "assert 'keras' not in sys.modules and 'numpy' not in sys.modules; print(took)"
    )
    took = float(run(code).stdout)
    assert took < 0.2


def test_modules_do_not_load_keras():
    code = (
        "import sys; from groundup import check, data, plots, session; from coursetools import run, tidy\n"
        "print([name for name in ('keras', 'tensorflow', 'matplotlib') if name in sys.modules])"
    )
    done = run(code)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_another_backend_is_refused_in_a_sentence():
    done = run("from groundup import session; session.start(1)", KERAS_BACKEND="numpy")
    assert done.returncode != 0
    assert "KERAS_BACKEND is 'numpy', this chapter needs 'tensorflow'" in done.stderr


def test_keras_on_jax():
    code = "from groundup import session; session.start(11, 'jax'); import keras; print(keras.backend.backend())"
    done = run(code, KERAS_BACKEND="jax")
    assert done.stdout == "ready: seed 11, Keras 3 on JAX\njax\n" and done.returncode == 0, done.stderr


def test_a_failing_import_is_shown_with_the_way_out(tmp_path):
    (tmp_path / "keras.py").write_text("import os; os.write(2, b'the cause, from C'); raise OSError('broken')")
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from groundup import session; session.start(1)")
    assert "the cause, from C" in done.stderr
    assert "make doctor" in done.stderr.splitlines()[-1]


def test_surface_draws_paths():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from groundup import plots

    plots.style()
    fig, ax = plt.subplots()
    path = np.array([[1.0, 1.0], [0.5, 0.2], [0.0, 0.0]])
    plots.surface(ax, lambda u, v: u**2 + 3 * v**2, (-2, 2), (-1, 1), {"descent": path})
    drawn = [line for line in ax.lines if line.get_label() == "descent"]
    np.testing.assert_array_equal(drawn[0].get_xydata(), path)
    assert ax.get_xlim() == pytest.approx((-2, 2))
    plt.close(fig)


def test_output_is_in_out_in_build_or_where_it_can_be_written(tmp_path, monkeypatch):
    from groundup import session

    monkeypatch.setenv("GROUNDUP_OUT", str(tmp_path / "out ü"))
    assert session.output("06") == tmp_path / "out ü" / "06"
    assert session.output("06").is_dir()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GROUNDUP_OUT", str(tmp_path / "file"))  # no folder can be made in it
    elsewhere = session.output("06")
    assert elsewhere.is_dir()
    assert "groundup-06-" in elsewhere.name
    elsewhere.rmdir()
    monkeypatch.delenv("GROUNDUP_OUT")
    assert session.output("06").parts[-2:] == ("build", "06")


def test_here_and_at_the_top(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        session.readers_path("README.md")
        == session.readers_path("./README.md")
        == Path(session.__file__).parents[2] / "README.md"
    )
    (tmp_path / "README.md").write_text("mine")
    assert session.readers_path("README.md").read_text() == "mine"
    assert session.readers_path("nowhere.txt") == Path("nowhere.txt")
    assert session.readers_path(str(tmp_path)) == tmp_path
    for nobodys in ("~nobody-has-this-name/x", "x" * 5000, "a\0b"):
        assert session.readers_path(nobodys) == Path(nobodys)
