"""Where a chapter's time goes: seconds by cell, and in the slowest cells by kind of work. `make profile NB=06`.

`coursetools.run` lets the kernel call `begin` first, which watches from a second thread and writes the file at the end
of every cell. What the main thread does is sampled fifty times a second
from its Python stack. What TensorFlow computes is seen by its own profiler, a quarter of a second out of every two; the
time that the main thread spends inside TensorFlow is divided in the same shares.
"""

import contextlib
import json
import re
import sys
import threading
import time
from pathlib import Path

INTERVAL, WINDOW, EVERY = 0.02, 0.25, 2.0  # seconds between samples; length of and distance between the windows
KINDS = ["Python", "tracing", "compiling", "convolution", "product", "small operations", "input", "waiting"]
TRACING = {"trace_function", "func_graph_from_py_func", "_create_concrete_function", "_maybe_define_function"}
HOLDERS = (
    "Eager",
    "TFE_",
    "Function",
    "Executor",
    "Kernel",
    "While",
    "Partitioned",
    "StatefulPartitioned",
    "If",
    "Case",
    "Iterator",
    "Process",
    "Run",
)  # names that stand around operations
INSIDE = {"quick_execute", "fast_execute", "call_function", "call_flat", "flat_call", "call_preflattened"}


def begin(file):
    """Watch the cells of this kernel from now on; `file` (JSON) holds what was seen, a dict for each cell."""
    from IPython import get_ipython

    shell, cells, main = get_ipython(), [], threading.main_thread().ident
    if shell is None:
        return

    def before(info):
        line = next((line for line in info.raw_cell.splitlines() if line.strip()), "")
        cells.append({"cell": line, "seconds": 0.0, "stack": {}, "operations": {}, "since": time.perf_counter()})

    def after(result):
        if cells and "since" in cells[-1]:
            cells[-1]["seconds"] = time.perf_counter() - cells[-1].pop("since")
            Path(file).write_text(json.dumps(cells), encoding="utf-8")

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)

    def watch():
        used, seen_at, window_at, session = time.process_time(), time.perf_counter(), time.perf_counter() + 1, None
        while True:
            time.sleep(INTERVAL)
            now, cpu = time.perf_counter(), time.process_time()
            idle, used, seen_at = (cpu - used) < 0.2 * (now - seen_at), cpu, now
            if not cells or "since" not in cells[-1]:
                continue
            kind = _kind(sys._current_frames().get(main), idle)
            cells[-1]["stack"][kind] = cells[-1]["stack"].get(kind, 0) + 1
            if session is None and now > window_at:
                session = _open()
            elif session is not None and now > window_at + WINDOW:
                for name, spent in _close(session).items():
                    cells[-1]["operations"][name] = cells[-1]["operations"].get(name, 0.0) + spent
                session, window_at = None, time.perf_counter() + EVERY

    threading.Thread(target=watch, daemon=True).start()


def _kind(frame, idle):
    """What the main thread does, from its Python stack: one of KINDS, or "inside" TensorFlow."""
    names, files = [], []
    while frame is not None:
        names.append(frame.f_code.co_name)
        files.append(frame.f_code.co_filename.replace("\\", "/"))
        frame = frame.f_back
    if names and names[0] in INSIDE | {"quick_execute"}:
        return "inside"
    if TRACING.intersection(names):
        return "tracing"
    if idle:
        return "waiting"
    if files and ("data/ops/iterator_ops" in files[0] or any("/trainers/data_adapters/" in name for name in files[:3])):
        return "input"
    return "inside" if files and "tensorflow/python/" in files[0] else "Python"


def _open():
    """A running session of TensorFlow's profiler, or None where it cannot be had, as before TensorFlow is imported."""
    profiler = sys.modules.get("tensorflow.python.profiler.internal._pywrap_profiler")
    if profiler is None:  # importing it here could meet the main thread's import of TensorFlow, and both would wait
        return None
    with contextlib.suppress(Exception):  # it is not part of TensorFlow's public interface
        session = profiler.ProfilerSession()
        session.start("", {"host_tracer_level": 2, "python_tracer_level": 0, "device_tracer_level": 0})
        return session
    return None


def _close(session):
    """{kind: seconds} of the operations that ran while the session was open, over all threads."""
    found = {}
    with contextlib.suppress(Exception):  # a message of other form, in another version of TensorFlow
        from tensorflow.tsl.profiler.protobuf import trace_events_pb2

        for event in trace_events_pb2.Trace.FromString(session.stop()).trace_events:
            if kind := _operation(event.name):
                found[kind] = found.get(kind, 0.0) + event.duration_ps / 1e12
    return found


def _operation(name):
    """The kind of work behind a name in TensorFlow's trace, "" for what is no operation or only holds others."""
    if "ompil" in name:
        return "compiling"
    if name == "IteratorGetNextOp::DoCompute":
        return "input"
    if not re.fullmatch(r"_?[A-Z]\w+", name) or name.startswith(HOLDERS):
        return ""
    if "Conv" in name:
        return "convolution"
    return "product" if re.search("MatMul|Einsum|XlaRun|XlaLaunch|LSTM", name) else "small operations"


def table(cells, slowest=10):
    """The printed table of one chapter: its slowest cells, seconds and shares of time by kind in percent."""
    lines = ["seconds  " + "  ".join(f"{kind:>7.7}" for kind in KINDS) + "  first line of the cell"]
    for cell in sorted(cells, key=lambda cell: -cell["seconds"])[:slowest]:
        samples, operations = sum(cell["stack"].values()) or 1, sum(cell["operations"].values())
        share = {kind: cell["stack"].get(kind, 0) / samples for kind in KINDS}
        inside = cell["stack"].get("inside", 0) / samples
        for kind, spent in cell["operations"].items():
            share[kind] += inside * spent / operations
        if not operations:  # too short for a window
            share["small operations"] += inside
        line = "  ".join(f"{100 * share[kind]:6.0f}%" for kind in KINDS)
        lines.append(f"{cell['seconds']:7.1f}  {line}  {cell['cell'][:60]}")
    total = sum(cell["seconds"] for cell in cells)
    return "\n".join([*lines, f"{total:7.1f}  all {len(cells)} cells after the first"])
