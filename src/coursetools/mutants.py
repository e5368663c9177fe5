"""Changes one thing at a time in a chapter's code and tells what noticed: `python -m coursetools.mutants NB ...`

A mutant is a chapter with one change: a sign, an operator, a comparison, a transpose, an axis, a constant, an
off-by-one, a function's counterpart, a dropped line. It runs cell by cell in a process of its own and counts as noticed
when a claim fails, an exception is raised or a printed output differs from that of the unchanged chapter. Not changed
are exercises, the cell of parameters, claims themselves, what only draws a figure, seeds, and whole numbers from 20 on,
which are mostly sizes that someone chose.

Results go to docs/mutants.csv, one line a mutant, and docs/mutants.md is written from it. The column `verdict` is for a
person: why a mutant that nothing noticed is equivalent, which means that no result of the chapter can change by it. It
stays when the mutant is tried again. See Jia and Harman, "An Analysis and Survey of the Development of Mutation
Testing", IEEE Transactions on Software Engineering (2011).
"""

import argparse
import ast
import configparser
import contextlib
import copy
import csv
import hashlib
import importlib
import io
import json
import os
import random
import re
import select
import signal
import symtable
import sys
import tempfile
import time
from typing import NamedTuple

from coursetools import notebook
from groundup import files, session

DOCS = notebook.SRC.parent / "docs"
COLUMNS = ["chapter", "cell", "change", "noticed", "verdict", "code"]
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
}
COUNTERPARTS = [("max", "min"), ("argmax", "argmin"), ("maximum", "minimum"), ("sum", "mean"), ("sin", "cos")]
COUNTERPART = {**dict(COUNTERPARTS), **{b: a for a, b in COUNTERPARTS}, "zeros": "ones", "zeros_like": "ones_like"}
DRAWING = re.compile(r"(ax|axes|axis|fig|figure|plt|plots|panel|bars|image|legend)\d?$")
SEEDED = ("default_rng", "set_random_seed", "SeedGenerator")
SPARED = ("check.", "session.", "warnings.")  # calls whose arguments are not changed


class Mutant(NamedTuple):
    """One change: the index of the code cell, the cell's source with the change, and the change in words."""

    cell: int
    source: str
    change: str


def names_in(node, kind=ast.expr_context):
    """The names in a piece of code; with ast.Store only those that are assigned."""
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, kind)}


def draws(node, axes=frozenset()):
    """Whether a statement only draws: its call, loop or assignment is about a figure; `axes`: other names of axes."""

    def drawn(names):
        return any(DRAWING.match(name) or name in axes for name in names)

    if isinstance(node, (ast.For, ast.With)):
        inside = only_drawn([node], axes)
        return (isinstance(node, ast.For) and drawn(names_in(node.target))) or all(
            draws(each, axes) or (isinstance(each, ast.Assign) and names_in(each, ast.Store) <= inside)
            for each in node.body
        )
    if isinstance(node, ast.FunctionDef):
        return drawn(each.arg for each in node.args.args) or node.name.startswith(("draw", "show", "plot"))
    if isinstance(node, ast.Assign) and axes and names_in(node, ast.Store) and names_in(node, ast.Store) <= axes:
        return True
    value = getattr(node, "value", None)
    if isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Name) and drawn([value.args[0].id]):
        return True  # a function that is given axes
    while isinstance(value, (ast.Call, ast.Attribute, ast.Subscript)):
        value = value.func if isinstance(value, ast.Call) else value.value
    return isinstance(value, ast.Name) and drawn([value.id])


def axes_of(trees):
    """Names that hold axes or figures: what is assigned from `plt` or `add_subplot`."""
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    made = re.compile(r"^plt\.|\.add_subplot\(")
    return {name for node in nodes if made.search(ast.unparse(node.value)) for name in names_in(node, ast.Store)}


def only_drawn(trees, axes):
    """Names that are assigned at the top of cells and used by nothing but statements that draw."""
    names, before = set(), None
    while names != before:
        before, computed, shown, assigned = names, set(), set(), set()
        for node in [node for tree in trees for node in tree.body]:
            stored = names_in(node, ast.Store) if isinstance(node, ast.Assign) else set()
            if draws(node, axes) or (stored and stored <= names):
                shown |= names_in(node) - stored
            else:
                computed |= names_in(node) - stored
            assigned |= stored
        names = (assigned & shown) - computed
    return names


def changes(node):
    """The nodes that may stand in an expression's place, each with one thing changed."""
    found = []

    def other(**values):
        new = copy.deepcopy(node)
        for name, value in values.items():
            setattr(new, name, value)
        found.append(new)

    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        other(op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        other(left=ast.Attribute(node.left, "T", ast.Load()))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        found.append(node.operand)
        if isinstance(node.operand, ast.Constant) and node.operand.value == 1:
            found.append(ast.UnaryOp(ast.USub(), ast.Constant(2)))  # the second from the end
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        for kind in COMPARISONS[type(node.ops[0])]:
            other(ops=[kind(), *node.ops[1:]])
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        found.append(node.value)
    elif isinstance(node, ast.Constant) and type(node.value) is int and node.value < 20:
        other(value=node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is float:
        other(value=node.value * 2 or 1.0)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        other(value=not node.value)
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in COUNTERPART:
            new = copy.deepcopy(node)
            setattr(new.func, "attr" if isinstance(node.func, ast.Attribute) else "id", COUNTERPART[name])
            found.append(new)
        if name == "range" and not isinstance(node.args[-1], ast.Constant):
            new = copy.deepcopy(node)
            position = min(1, len(node.args) - 1)
            new.args[position] = ast.BinOp(new.args[position], ast.Sub(), ast.Constant(1))
            found.append(new)
    return found


def mutants_of(cells):
    """All mutants of a chapter.

    Args:
        cells: list of code cells (nbformat), in order, exercises left out.

    Returns:
        list of Mutant, in the order of the cells and of the code in them.
    """
    trees, found = [ast.parse(cell.source) for cell in cells], []
    axes = axes_of(trees)
    drawn = only_drawn(trees, axes)
    for index, (cell, tree) in enumerate(zip(cells, trees, strict=True)):
        if "parameters" not in cell.metadata.get("tags", []):
            for node, text in _visit(tree, axes, drawn, top=True):
                found.append(_mutant(index, cell.source, node, text))
    return found


def _mutant(index, source, node, text):
    """The mutant in which a node's place is taken by another text."""
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:i])) for i in range(len(lines))]  # columns of ast count bytes
    first = starts[node.lineno - 1] + node.col_offset
    last = starts[node.end_lineno - 1] + node.end_col_offset
    old, line = source.encode()[first:last].decode(), lines[node.lineno - 1].decode().strip()
    change = f"{' '.join(old.split())[:60]} → {' '.join(text.split())[:60]} in: {line[:70]}"
    return Mutant(index, (source.encode()[:first] + text.encode() + source.encode()[last:]).decode(), change)


def _visit(node, axes, drawn, top=False):
    """(node, text that takes its place) for each change below a node; `top`: not inside of a function."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return
    if isinstance(node, ast.stmt):
        stored = names_in(node, ast.Store) if isinstance(node, ast.Assign) else set()
        if draws(node, axes) or (top and stored and stored <= drawn):
            return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = ast.unparse(node.value.func)
        if called.startswith(SPARED):
            return
        if called != "print":
            yield node, "pass"
    if isinstance(node, ast.AugAssign):
        yield node, "pass"
        if type(node.op) in OPERATORS:
            new = copy.deepcopy(node)
            new.op = OPERATORS[type(node.op)]()
            yield node, ast.unparse(new)
    if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store):
        for new in changes(node):
            yield node, f"({ast.unparse(ast.fix_missing_locations(new))})"
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        return
    if isinstance(node, ast.keyword) and node.arg == "seed":
        return
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in SEEDED:
        return
    top = top and not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda))
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in ("annotation", "returns", "decorator_list"):
                yield from _visit(child, axes, drawn, top)


def exposed(body, stored):
    """Names that statements use before they set them; `stored`: those already set. Bodies of functions do not count."""
    found = set()

    def look(node):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for each in (*node.decorator_list, *getattr(node, "bases", []), *getattr(node, "keywords", [])):
                look(each)
            for each in getattr(getattr(node, "args", None), "defaults", []):
                look(each)
            stored.add(node.name)
        elif isinstance(node, ast.Lambda):
            for each in node.args.defaults:
                look(each)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            own = {name for part in node.generators for name in names_in(part.target)}
            found.update(names_in(node, ast.Load) - own - stored)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            stored.update((each.asname or each.name).partition(".")[0] for each in node.names)
        elif isinstance(node, ast.Name):
            (found.update({node.id} - stored) if isinstance(node.ctx, ast.Load) else stored.add(node.id))
        else:
            first = [getattr(node, name) for name in ("value", "iter", "items") if hasattr(node, name)]
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                found.update({node.target.id} - stored)
            children = [child for child in ast.iter_child_nodes(node) if child not in first]
            for each in [*first, *children]:
                for child in each if isinstance(each, list) else [each]:
                    if isinstance(child, ast.AST):
                        look(child)

    for statement in body:
        look(statement)
    return found


class Slices:
    """Which cells a change of one cell can reach, and which these need: names tell, and what they stand for.

    A cell depends on the last cell before it that sets a name it uses, and on those between that may change the object
    behind it. An array, a number or a function is changed only by a statement that says so; a model or a generator of
    random numbers by every cell that uses it. What a function reads counts where it is called.

    Args:
        sources: list of str, the cells.
        kinds: dict from the chapter's global names to "fixed", "holder" (a list or dict) or "live", from a run.
    """

    CHANGE = ("append", "extend", "update", "pop", "clear", "insert", "remove", "setdefault", "sort")

    def __init__(self, sources, kinds):
        self.sets, self.uses, self.later, self.touches = [], [], [], []
        for source in sources:
            table, tree = symtable.symtable(source, "cell", "exec"), ast.parse(source)
            inner, tables = set(), list(table.get_children())
            while tables:
                each = tables.pop()
                tables += each.get_children()
                inner |= {one.get_name() for one in each.get_symbols() if one.is_global() or each.get_type() == "class"}
            names = table.get_symbols()
            self.sets.append({one.get_name() for one in names if one.is_assigned() or one.is_imported()})
            self.uses.append(exposed(tree.body, set()))
            self.later.append(inner)
            mentioned = {one.get_name() for one in names} | inner
            changed = {name for name in mentioned if kinds.get(name) == "live"}
            for node in ast.walk(tree):
                base = node
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    base = node.func.value if node.func.attr in self.CHANGE else None
                elif isinstance(node, ast.AugAssign):
                    base = node.target
                elif not (isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store)):
                    base = None
                while isinstance(base, (ast.Subscript, ast.Attribute)):
                    base = base.value
                if isinstance(base, ast.Name):
                    changed.add(base.id)
            self.touches.append(changed)
        self.needs = [self._needs(j) for j in range(len(sources))]

    def _needs(self, j):
        """The earlier cells that cell j depends on by itself."""
        found, names, seen = set(), self.uses[j] | (self.later[j] - self.sets[j]), set()
        while names - seen:
            name = (names - seen).pop()
            seen.add(name)
            for k in range(j - 1, -1, -1):
                if name in self.sets[k] | self.touches[k]:
                    found.add(k)
                    names |= self.later[k]  # what its functions read when they are called
                if name in self.sets[k]:
                    break
        return found

    def of(self, cell):
        """Sorted list of the cells to run for a change in one: what it can reach, and what all of these need."""
        reached = {cell}
        for j in range(cell + 1, len(self.needs)):
            if self.needs[j] & reached:
                reached.add(j)
        for j in range(max(reached), -1, -1):
            if j in reached:
                reached |= self.needs[j]
        return sorted(reached)


def kind_of(value):
    """Whether an object is "fixed", a "holder" of others, or "live": may change when it is used."""
    if isinstance(value, (list, dict, set)):
        return "holder"
    module = type(value).__module__.partition(".")[0]
    plain = isinstance(value, (int, float, complex, str, bytes, tuple, type(None), type, range))
    name = type(value).__name__
    known = name in ("function", "builtin_function_or_method", "ufunc", "module", "PjitFunction", "EagerTensor")
    fixed = plain or known or module in ("numpy", "jaxlib")
    return "fixed" if fixed and "Generator" not in name else "live"


def sanitizer():
    """Function that takes from a text what may differ between two runs, as the comparison of outputs does."""
    rules = configparser.RawConfigParser()
    rules.read(notebook.SRC.parent / "tests" / "sanitize.cfg", encoding="utf-8")
    pairs = [(re.compile(rules[name]["regex"]), rules[name]["replace"]) for name in rules.sections()]

    def sanitize(text):
        for pattern, replacement in pairs:
            text = pattern.sub(replacement, text)
        return text

    return sanitize


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def shown_by(cell):
    """What a cell of a notebook shows by its kept outputs, as `play` hashes it."""
    texts = [each["text"] for each in cell.outputs if each.get("name") == "stdout"]
    for each in cell.outputs:
        if each.output_type == "execute_result" and "<" not in each.data.get("text/plain", "<"):
            texts.append(each.data["text/plain"])
    return digest(sanitizer()("".join(texts)))


def play(sources, send):
    """Run cells in this process, in IPython; `send` gets (index, hash of what it shows, error or None, seconds).

    A cell that is None is left out. At the end `send` gets (-1, what kinds of objects the names stand for, None, 0).
    """
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell, sanitize = InteractiveShell.instance(), sanitizer()
    shell.showtraceback = lambda *_, **__: None
    for index, source in enumerate(sources):
        if source is None:
            continue
        began = time.monotonic()
        with capture_output(display=False) as captured, contextlib.redirect_stderr(io.StringIO()):
            done = shell.run_cell(source, store_history=False)
        error = done.error_before_exec or done.error_in_exec
        shown = "" if done.result is None else repr(done.result)
        text = sanitize(captured.stdout + ("" if "<" in shown else shown))
        said = f"{type(error).__name__}: {error}"[:300] if error is not None else None
        if not send((index, digest(text), said, time.monotonic() - began)):
            return
    send((-1, json.dumps({name: kind_of(value) for name, value in shell.user_ns.items() if name[0] != "_"}), None, 0))


class Run:
    """A process that plays cells; `wanted`, if given, is the list of what each cell prints."""

    def __init__(self, sources, folder, wanted=None):
        reader, writer = os.pipe()
        self.pid, self.began, self.lines, self.reader = os.fork(), time.monotonic(), b"", reader
        if self.pid == 0:
            with contextlib.suppress(BaseException):
                os.setsid()
                os.close(reader)
                null = os.open(os.devnull, os.O_RDWR)
                for number in (0, 1, 2):
                    os.dup2(null, number)
                os.chdir(folder)
                os.environ["GROUNDUP_OUT"] = str(folder)

                def send(event):
                    os.write(writer, (json.dumps(event) + "\n").encode())
                    if event[0] < 0 or wanted is None:
                        return event[2] is None
                    return wanted[event[0]] in (event[1], None)

                play(sources, send)
            os._exit(0)
        os.close(writer)

    def read(self):
        """Take what was sent; True when the process has ended."""
        part = os.read(self.reader, 65536)
        self.lines += part
        return not part

    def end(self):
        """End it and all it started; returns the list of events."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.reader)
        return [json.loads(line) for line in self.lines.splitlines()]


def noticed(events, wanted, timed_out, number):
    """What noticed a mutant of which so many cells are run, in words, or ""."""
    if timed_out:
        return "exception: it does not end"
    index, text, error, _ = events[-1] if events else (0, "", "the process ended", 0)
    if error:
        claim = re.match(r"AssertionError: not so: (.*?)(;|$)", error)
        return f"claim: {claim[1]}"[:160] if claim else f"exception: {error.splitlines()[0]}"[:160]
    if index >= 0 and wanted[index] not in (text, None):
        return f"output of code cell {index + 1}"
    return "" if len(events) == number + 1 else "exception: the process ended"


def at_once():
    """How many mutants run at the same time: one on each core that this process may use, two at most."""
    return min(2, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 2


def try_all(chosen, sources, wanted, limit, minutes, tell, cells_of=None):
    """Run mutants, one on each core and two at most, until the time is up.

    Args:
        chosen: list of Mutant.
        sources: list of str, the cells.
        wanted: what each cell prints, as hashes, None for what differs from run to run.
        limit: seconds that a mutant may take.
        minutes: how long new ones are begun.
        tell: function of (Mutant, what noticed it), called as each ends.
        cells_of: function of a cell's index to the indices of the cells to run for it; all, where it is None.
    """
    began, waiting, running = time.monotonic(), list(reversed(chosen)), {}
    while running or (waiting and time.monotonic() - began < 60 * minutes):
        while waiting and len(running) < at_once() and time.monotonic() - began < 60 * minutes:
            mutant, folder = waiting.pop(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            chosen_cells = cells_of(mutant.cell) if cells_of else range(len(sources))
            cells = [source if i in chosen_cells else None for i, source in enumerate(sources)]
            cells[mutant.cell] = mutant.source
            run = Run(cells, folder.name, wanted)
            running[run.reader] = (run, mutant, folder, len(chosen_cells))
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for reader, (run, mutant, folder, number) in list(running.items()):
            late = time.monotonic() - run.began > limit
            if late or (reader in ready and run.read()):
                del running[reader]
                tell(mutant, noticed(run.end(), wanted, late, number))
                folder.cleanup()


def baseline(sources, kept=None):
    """Run the unchanged chapter twice, side by side; or once, where hashes of its kept outputs are given.

    Returns:
        (wanted, seconds, kinds): what each cell prints, as hashes, None where the two differ; how long each cell took;
        what the chapter's names stand for, as `kind_of` says.

    Raises:
        Refused: it fails unchanged.
    """
    results = []
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        for run in [Run(sources, folder) for folder in ([one] if kept else [one, two])]:
            while not run.read():
                pass
            results.append(run.end())
    for events in results:
        if len(events) < len(sources) + 1 or events[-1][2]:
            raise notebook.Refused(f"the chapter fails unchanged: {events[-1][2] if events else 'it ended'}")
    first, other = ([event[1] for event in events[:-1]] for events in (results[0], results[-1]))
    wanted = [a if a == b else None for a, b in zip(first, kept or other, strict=True)]
    return wanted, [event[3] for event in results[0][:-1]], json.loads(results[0][-1][1])


def slices(sources, wanted, seconds, kinds):
    """Function of a cell's index to the cells to run for a change in it; all of them where fewer do not print the same.

    Whether they do is found out when a cell is asked for the first time.
    """
    by_names, known, everything = Slices(sources, kinds), {}, list(range(len(sources)))

    def cells_of(cell):
        chosen = by_names.of(cell)
        if tuple(chosen) not in known:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                run = Run([source if i in chosen else None for i, source in enumerate(sources)], folder, wanted)
                while not run.read():
                    pass
                known[tuple(chosen)] = not noticed(run.end(), wanted, False, len(chosen))
        return chosen if known[tuple(chosen)] else everything

    return cells_of, [sum(seconds[i] for i in by_names.of(cell)) for cell in everything]


def load():
    """All lines of docs/mutants.csv, as dicts of str."""
    with contextlib.suppress(FileNotFoundError), (DOCS / "mutants.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
    return []


def save(rows):
    """Write docs/mutants.csv and the page docs/mutants.md."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(rows, key=lambda row: (row["chapter"], row["cell"], row["change"])))
    files.write(DOCS / "mutants.csv", text.getvalue())
    files.write(DOCS / "mutants.md", page(rows))


def counts(rows):
    """Of some rows: (tried, by a claim, by an output, by an exception, equivalent, share of the others noticed)."""
    kinds = [row["noticed"].split()[0].rstrip(":") if row["noticed"] else "" for row in rows]
    claim, output, exception = (kinds.count(kind) for kind in ("claim", "output", "exception"))
    equivalent = sum(not row["noticed"] and bool(row["verdict"]) for row in rows)
    caught = claim + output + exception
    return len(rows), claim, output, exception, equivalent, caught / max(1, len(rows) - equivalent)


def page(rows):
    """docs/mutants.md, as text."""
    lines = [
        "# Which claims would notice a mistake?",
        "",
        "A mutant is a chapter with one change in its code: a sign, an operator, a comparison, a transpose, an axis,",
        "a constant, an off-by-one or a dropped line. `make mutants NB=01` makes them, runs each and writes this page.",
        "A mutant is noticed when a claim fails, an exception is raised or a printed output differs. It is equivalent",
        "when no result of the chapter can change by it; a person says so, and the reason stands below. Code that",
        "only draws, seeds and whole numbers from 20 on, mostly sizes that someone chose, are not changed. Of the slow",
        "chapters a random sample was tried; of chapters 10 and 11, where a training takes most of the time, a sample",
        "of the changes whose consequences can be computed in some seconds.",
        "",
        "| chapter | tried | claim | output | exception | equivalent | noticed of the others |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    chapters = sorted({row["chapter"] for row in rows})
    for chapter in chapters:
        *numbers, share = counts([row for row in rows if row["chapter"] == chapter])
        lines.append(f"| {chapter} | {' | '.join(map(str, numbers))} | {100 * share:.0f} % |")
    for chapter in chapters:
        left = [row for row in rows if row["chapter"] == chapter and not row["noticed"]]
        if left:
            lines += ["", f"## Chapter {chapter}: not noticed", "", "| change | verdict |", "|---|---|"]
        for row in left:
            change = row["change"].replace("|", "\\|").replace("`", "'")
            lines.append(f"| `{change}` | {row['verdict'] or 'open'} |")
    return "\n".join([*lines, ""])


def chapter(path, minutes, seed, limit, within=None):
    """Try mutants of a chapter and keep what noticed them; prints a line for each that nothing noticed.

    within: seconds. The chapter then runs once and is compared with its kept outputs; for a mutant only those cells run
    that it can reach, and what these need; and those are left out for which this takes longer.
    """
    nb, number = notebook.read(path), path.stem[:2]
    cells, code = notebook.code_cells(nb), notebook.code_hash(nb)
    found = mutants_of(cells)
    random.Random(seed).shuffle(found)
    sources = [cell.source for cell in cells]
    wanted, seconds, kinds = baseline(sources, [shown_by(cell) for cell in cells] if within else None)
    print(f"{path.stem}: {len(found)} mutants; {sum(seconds):.0f} s for the whole chapter", flush=True)
    cells_of, most = None, 3 * sum(seconds) + 10
    if within:
        cells_of, needed = slices(sources, wanted, seconds, kinds)
        found = [mutant for mutant in found if needed[mutant.cell] <= within]
        print(f"{len(found)} of them within {within} s; {wanted.count(None)} cells print what differs", flush=True)
        most = 3 * within + 10
    kept = load()
    verdicts = {(row["chapter"], row["change"]): row["verdict"] for row in kept}
    rows = []

    def tell(mutant, what):
        verdict = "" if what else verdicts.get((number, mutant.change), "")
        values = (number, cells[mutant.cell].id, mutant.change, what, verdict, code)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
        if not what:
            print(f"  not noticed: {mutant.change}", flush=True)

    try:
        try_all(found[:limit], sources, wanted, most, minutes, tell, cells_of)
    finally:
        if rows:
            save([row for row in kept if row["chapter"] != number] + rows)
    tried, *_, equivalent, share = counts(rows)
    said = f"{tried} of {len(found)} tried, {equivalent} equivalent, {100 * share:.0f} % of the others noticed"
    print(f"{path.stem}: {said}", flush=True)


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="+", metavar="NB", help="01, 02 ...")
    parser.add_argument("--minutes", type=float, default=15, help="for each chapter; what is left is not tried (15)")
    parser.add_argument("--limit", type=int, help="at most so many mutants of each chapter")
    parser.add_argument("--within", type=float, metavar="SECONDS", help="only what a change can reach, if in this time")
    parser.add_argument("--seed", type=int, default=1, help="of the random sample (1)")
    options = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        print("coursetools.mutants: needs a system with fork, such as Linux or macOS", file=sys.stderr)
        return 2
    # Each mutant has one core; read once, when the libraries load.
    os.environ |= {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}
    os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "MPLBACKEND": "agg"}
    os.environ.setdefault("JOIN_SECONDS", "20")  # that a process of chapter 11 waits for one that a mutant keeps away
    try:
        for path in notebook.find_chapters(options.chapters):
            if path.stem[:2] != "11":  # that one needs JAX, and sets its options before it loads
                session.import_keras()
            for name in ("matplotlib.pyplot", "IPython.core.interactiveshell", "sklearn.linear_model"):
                importlib.import_module(name)
            chapter(path, options.minutes, options.seed, options.limit, options.within)
    except (notebook.Refused, OSError) as error:
        print(f"coursetools.mutants: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("coursetools.mutants: stopped; what was tried is kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
