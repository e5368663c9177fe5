"""Where time goes: kinds of work told apart, and the table of a chapter."""

import sys
import threading
import types

import pytest
from coursetools import profiling


@pytest.mark.parametrize(
    "name, kind",
    [
        ("_MklNativeFusedConv2D", "convolution"),
        ("Conv2DBackpropFilter", "convolution"),
        ("_MklMatMul", "product"),
        ("Mul", "small operations"),
        ("IteratorGetNextOp::DoCompute", "input"),
        ("While", ""),  # its operations are counted one by one
        ("XlaCompile", "compiling"),
        ("EagerLocalExecute: __inference_step_880", ""),
        ("tf.constant", ""),
    ],
)
def test_kinds_of_operations(name, kind):
    assert profiling._operation(name) == kind


def test_kinds_of_python():
    here = sys._getframe()
    assert profiling._kind(here, idle=False) == "Python" and profiling._kind(here, idle=True) == "waiting"

    def trace_function():
        return profiling._kind(sys._getframe(), idle=False)

    assert trace_function() == "tracing"


def test_table_shares_what_tensorflow_does_by_its_operations():
    cell = {
        "cell": "model.fit(x, y)",
        "seconds": 8.0,
        "stack": {"inside": 75, "tracing": 25},
        "operations": {"convolution": 3.0, "product": 1.0},
    }
    _, line, total = profiling.table([cell]).splitlines()
    shares = dict(zip(profiling.KINDS, line.split()[1:], strict=False))
    assert shares["convolution"] == "56%" and shares["product"] == "19%" and shares["tracing"] == "25%"
    assert line.endswith("model.fit(x, y)") and total.startswith("    8.0")
    assert sum(int(share.rstrip("%")) for share in shares.values()) == 100


def test_outside_a_kernel_nothing_begins(tmp_path):
    before = threading.active_count()
    profiling.begin(tmp_path / "profile.json")
    assert threading.active_count() == before and not (tmp_path / "profile.json").exists()


def test_the_watcher_never_imports_tensorflow(monkeypatch):
    """An import in its thread once met the main thread's, and neither ended."""
    name, started = "tensorflow.python.profiler.internal._pywrap_profiler", []
    monkeypatch.setitem(sys.modules, name, None)  # an import would raise, which is taken for "cannot be had"
    assert profiling._open() is None
    session = types.SimpleNamespace(start=lambda *args: started.append(args))
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(ProfilerSession=lambda: session))
    monkeypatch.setattr("builtins.__import__", lambda *args: pytest.fail(f"imports {args[0]}"))
    assert profiling._open() is session and started
