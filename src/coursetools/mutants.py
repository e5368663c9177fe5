"""Changes one thing at a time in a chapter's code and tells what noticed: `python -m coursetools.mutants NB ...`

A mutant is a chapter with one change: a sign, an operator, a comparison, a transpose, an axis, a constant, an
off-by-one, a function's counterpart, a dropped line. It counts as noticed when a claim fails, an exception is raised or
a printed output differs from that of the unchanged chapter. Not changed are exercises, the cell of parameters, claims
themselves, what only draws a figure, seeds, and whole numbers from 20 on, which are mostly sizes that someone chose.

A process runs the chapter once. At a cell that has mutants it runs each, with the cells below until one notices, and
takes the session back to where it was (`rewind`); then the cell itself, which must do what it did before.

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
import sys
import tempfile
import time
from typing import NamedTuple

from coursetools import notebook, rewind
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


class Player:
    """Runs cells in this process, in IPython."""

    def __init__(self):
        from IPython.core.interactiveshell import InteractiveShell

        self.shell, self.sanitize = InteractiveShell.instance(), sanitizer()
        self.shell.showtraceback = lambda *_, **__: None

    def run(self, source):
        """Run a cell; returns the hash of the text it printed or showed, and its error in words or None."""
        from IPython.utils.capture import capture_output

        with capture_output(display=False) as captured, contextlib.redirect_stderr(io.StringIO()):
            done = self.shell.run_cell(source, store_history=False)
        error = done.error_before_exec or done.error_in_exec
        shown = "" if done.result is None else repr(done.result)
        text = self.sanitize(captured.stdout + ("" if "<" in shown else shown))
        return digest(text), error and f"{type(error).__name__}: {error}"[:300]

    def follow(self, sources, wanted, first):
        """What notices that the first of these cells was changed, in words, or ""; `first`: its index."""
        for index, source in enumerate(sources, first):
            text, error = self.run(source)
            if error:
                claim = re.match(r"AssertionError: not so: (.*?)(;|$)", error)
                return f"claim: {claim[1]}"[:160] if claim else f"exception: {error.splitlines()[0]}"[:160]
            if wanted[index] not in (text, None):
                return f"output of code cell {index + 1}"
        return ""


def play(sources, send):
    """Run a chapter; `send` gets (hash of what a cell showed, error or None) after each."""
    player = Player()
    for source in sources:
        text, error = player.run(source)
        send((text, error))
        if error:
            return


def play_mutants(sources, wanted, chosen, send):
    """Run a chapter once, and at each cell its mutants, after each of which the session is taken back.

    Args:
        chosen: list of Mutant.
        send: gets ("begin", number in `chosen`), ("told", what noticed it) for each; and after the cell itself has
            run ("clean",), or, if it no longer does what it did in the unchanged chapter, ("drift",), and that is all.
    """
    player, left = Player(), len(chosen)
    for index, source in enumerate(sources):
        here = [number for number, mutant in enumerate(chosen) if mutant.cell == index]
        try:
            before = rewind.Snapshot(player.shell.user_ns) if here and len(chosen) > 1 else None
            for number in here:
                send(("begin", number))
                send(("told", player.follow([chosen[number].source, *sources[index + 1 :]], wanted, index)))
                left -= 1
                if before:
                    sys.modules["matplotlib.pyplot"].close("all")
                    before.restore()
        except Exception:  # something that cannot be taken back
            send(("drift",))
            return
        if not left and len(chosen) == 1:
            return
        text, error = player.run(source)
        clean = not error and wanted[index] in (text, None)
        send(("clean",) if clean else ("drift",))
        if not (clean and left):
            return


class Run:
    """A process in a folder of its own that calls a function, whose last argument sends what is read here."""

    def __init__(self, function, *arguments):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        reader, writer = os.pipe()
        self.pid, self.began, self.lines, self.reader = os.fork(), time.monotonic(), b"", reader
        if self.pid == 0:
            with contextlib.suppress(BaseException):
                os.setsid()
                os.close(reader)
                null = os.open(os.devnull, os.O_RDWR)
                for number in (0, 1, 2):
                    os.dup2(null, number)
                os.chdir(self.folder.name)
                os.environ["GROUNDUP_OUT"] = self.folder.name
                function(*arguments, lambda event: os.write(writer, (json.dumps(event) + "\n").encode()))
            os._exit(0)
        os.close(writer)

    def read(self):
        """The events that were sent since the last call, and whether the process has ended."""
        part = os.read(self.reader, 65536)
        *whole, self.lines = (self.lines + part).split(b"\n")
        return [json.loads(line) for line in whole], not part

    def end(self):
        """End it and all it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.reader)
        self.folder.cleanup()


class Batch:
    """Mutants that one process tries, in the order of their cells."""

    def __init__(self, chosen, sources, wanted):
        self.chosen = sorted(chosen, key=lambda mutant: mutant.cell)
        self.run = Run(play_mutants, sources, wanted, self.chosen)
        self.told, self.unsure, self.now, self.since = 0, [], None, time.monotonic()

    def step(self, events, ended, limit, tell):
        """Take in what was sent; returns lists of mutants that other processes must try, or None while it runs."""
        late = self.now is not None and time.monotonic() - self.since > limit
        for kind, *what in events:
            if kind == "begin":
                self.now, self.since = self.chosen[what[0]], time.monotonic()
            elif kind == "told":
                self.unsure.append((self.now, what[0]))
                self.now, self.told = None, self.told + 1
            elif kind == "clean":
                self.settle(tell)
            else:  # what a mutant did was not taken back: each of this cell's is tried alone
                rest = self.chosen[self.told :]
                alone = [mutant for mutant, _ in self.unsure] or [each for each in rest if each.cell == rest[0].cell]
                rest = [each for each in rest if each not in alone]
                return [[mutant] for mutant in alone] + [rest] * bool(rest)
        if late and not ended:
            self.unsure.append((self.now, "exception: it does not end"))
        elif ended and self.now is not None:
            self.unsure.append((self.now, "exception: the process ended"))
        if late or ended:
            self.told += self.now is not None
            self.settle(tell)
            return self.rest()
        return None

    def settle(self, tell):
        for pair in self.unsure:
            tell(*pair)
        self.unsure = []

    def rest(self):
        return [self.chosen[self.told :]] if self.chosen[self.told :] else []


def cores():
    """How many processes run at a time."""
    return min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


def try_all(chosen, sources, wanted, limit, minutes, tell, size=40):
    """Run mutants, in one process on each core and two at most, until the time is up.

    Args:
        chosen: list of Mutant.
        sources: list of str, the cells.
        wanted: what each cell prints, as hashes, None for what differs from run to run.
        limit: seconds that a mutant may take.
        minutes: how long new processes are begun.
        tell: function of (Mutant, what noticed it), called for each.
        size: how many mutants a process tries.
    """
    began = time.monotonic()
    waiting, running = [chosen[i : i + size] for i in range(0, len(chosen), size)], []
    while running or (waiting and time.monotonic() - began < 60 * minutes):
        while waiting and len(running) < cores() and time.monotonic() - began < 60 * minutes:
            running.append(Batch(waiting.pop(0), sources, wanted))
        ready, _, _ = select.select([batch.run.reader for batch in running], [], [], 1.0)
        for batch in list(running):
            events, ended = batch.run.read() if batch.run.reader in ready else ([], False)
            more = batch.step(events, ended, limit, tell)
            if more is not None:
                batch.run.end()
                running.remove(batch)
                waiting = more + waiting


def baseline(cells):
    """Run the unchanged chapter and compare it with its kept outputs, as the tests do.

    Returns:
        (wanted, seconds): what each cell prints, as hashes, None where the run shows something else than what was kept,
        as a time does; and how long it took.

    Raises:
        Refused: it fails unchanged.
    """
    run, events, ended = Run(play, [cell.source for cell in cells]), [], False
    while not ended:
        more, ended = run.read()
        events += more
    seconds = time.monotonic() - run.began
    run.end()
    if len(events) < len(cells) or events[-1][1]:
        raise notebook.Refused(f"the chapter fails unchanged: {events[-1][1] if events else 'it ended'}")
    sanitize = sanitizer()
    pairs = zip(cells, events, strict=True)
    return [text if digest(sanitize(kept(cell))) == text else None for cell, (text, _) in pairs], seconds


def kept(cell):
    """What a cell of a notebook printed and showed when it was committed, as `Player.run` reads it."""
    texts = [output.text for output in cell.get("outputs", []) if output.get("name") == "stdout"]
    results = [output.data.get("text/plain", "") for output in cell.get("outputs", []) if "execution_count" in output]
    return "".join(texts + [text for text in results if "<" not in text])


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


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
        "chapters a random sample was tried.",
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


def chapter(path, minutes, seed, limit):
    """Try mutants of a chapter and keep what noticed them; prints a line for each that nothing noticed."""
    nb, number = notebook.read(path), path.stem[:2]
    cells, code = notebook.code_cells(nb), notebook.code_hash(nb)
    found = mutants_of(cells)
    random.Random(seed).shuffle(found)
    sources = [cell.source for cell in cells]
    wanted, seconds = baseline(cells)
    print(f"{path.stem}: {len(found)} mutants; {seconds:.0f} s for each that nothing notices", flush=True)
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
        try_all(found[:limit], sources, wanted, 3 * seconds + 10, minutes, tell)
    finally:
        if rows:
            again = {(row["cell"], row["change"]) for row in rows}
            others = [  # what was tried before stays, with its verdicts, if it is of the same code
                row
                for row in kept
                if row["chapter"] != number or (row["code"] == code and (row["cell"], row["change"]) not in again)
            ]
            save(others + rows)
    tried, *_, equivalent, share = counts(rows)
    said = f"{tried} of {len(found)} tried, {equivalent} equivalent, {100 * share:.0f} % of the others noticed"
    print(f"{path.stem}: {said}", flush=True)


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="+", metavar="NB", help="01, 02 ...")
    parser.add_argument("--minutes", type=float, default=15, help="for each chapter; what is left is not tried (15)")
    parser.add_argument("--limit", type=int, help="at most so many mutants of each chapter")
    parser.add_argument("--seed", type=int, default=1, help="of the random sample (1)")
    options = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        print("coursetools.mutants: needs a system with fork, such as Linux or macOS", file=sys.stderr)
        return 2
    # Each mutant has one core; read once, when the libraries load.
    os.environ |= {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}
    os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "MPLBACKEND": "agg"}
    try:
        for path in notebook.find_chapters(options.chapters):
            if path.stem[:2] != "11":  # that one needs JAX, and sets its options before it loads
                session.import_keras()
            for name in ("matplotlib.pyplot", "IPython.core.interactiveshell", "sklearn.linear_model"):
                importlib.import_module(name)
            chapter(path, options.minutes, options.seed, options.limit)
    except (notebook.Refused, OSError) as error:
        print(f"coursetools.mutants: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("coursetools.mutants: stopped; what was tried is kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
