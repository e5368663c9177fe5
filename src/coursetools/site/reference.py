"""The reference of the packages, from their source: nothing is imported, so nothing needs TensorFlow.

A function's page says which chapters use it; a chapter's page says what it uses.
"""

import ast
import functools
import importlib
import inspect
import re

from coursetools import notebook

SRC = notebook.SRC
PACKAGES = ("groundup", "ownfiles")
HIDDEN = ("exercises.ch", "__main__")
FIELDS = {"Args": "param", "Returns": "returns", "Yields": "returns", "Raises": "raises"}


def first_line(path):
    """The first sentence of a script's docstring."""
    words = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem).split("\n\n")[0]
    return " ".join(words.split()).replace("|", "\\|")


@functools.cache
def modules():
    """{dotted name: its syntax tree} of the packages."""
    found = {}
    for package in PACKAGES:
        for path in sorted((SRC / package).rglob("*.py")):
            name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
            if not any(hidden in name for hidden in HIDDEN):
                found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def public(tree):
    """The functions and classes of a module or class whose names begin with a letter and that have a docstring."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [n for n in tree.body if isinstance(n, kinds) and n.name[0] != "_" and ast.get_docstring(n)]


@functools.cache
def names():
    """{name that a reader may write: name in the reference}, of all that is documented and what packages pass on."""
    found = {}
    for module, tree in modules().items():
        for node in public(tree):
            found[f"{module}.{node.name}"] = f"{module}.{node.name}"
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                for alias in node.names:
                    target = f"{module}.{node.module}.{alias.name}" if node.module else f"{module}.{alias.name}"
                    if target in found:
                        found[f"{module}.{alias.asname or alias.name}"] = target
    return found


def uses(path):
    """[(name in the reference, label of the section)] of what a chapter's code uses, each once a section, in order."""
    from coursetools.site import sources

    number, label, alias, found = path.stem[:2], "", {}, []
    for cell in notebook.read(path).cells:
        if cell.cell_type == "markdown":
            for heading in re.findall(r"(?m)^## (.+)$", cell.source):
                label = f"s-{number}-{sources.slug(heading)}"
            continue
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
                alias |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Name, ast.Attribute)):
                first, _, rest = ast.unparse(node).partition(".")
                name = names().get(f"{alias.get(first, first)}{'.' + rest if rest else ''}")
                if name and (name, label) not in found:
                    found.append((name, label))
    return found


def escaped(line):
    """A line of a docstring as Markdown: code stays, stars and other signs are themselves."""
    parts = re.split(r"(``.+?``|`[^`]+`)", line)
    return "".join(p if i % 2 else re.sub(r"([*_$<\[\\])", r"\\\1", p) for i, p in enumerate(parts))


def markdown(docstring):
    """A docstring as Markdown: its paragraphs, its code, and its sections Args, Returns and Raises as fields."""
    lines, field = [], None
    for line in docstring.splitlines():
        section = re.fullmatch(r"(Args|Returns|Yields|Raises):(.*)", line)
        if section:
            field = FIELDS[section[1]]
            lines += ["", f":returns: {escaped(section[2].strip())}"] if section[2] else [""]
        elif field and re.match(r" {4}\S", line):
            entry = re.match(r" {4}(\*{0,2}\w[\w.]*(?:, \*{0,2}\w+)*): (.*)", line)
            if field == "returns" or not entry:
                if field == "returns" and not lines[-1].startswith((":returns:", " ")):
                    lines.append(f":returns: {escaped(line.strip())}")
                else:
                    lines.append(
                        f":{field}: {escaped(line.strip())}" if not lines[-1].strip() else f"  {escaped(line.strip())}"
                    )
            else:
                lines.append(f":{field} {entry[1].replace('*', '')}: {escaped(entry[2])}")
        elif field and line.startswith("     "):
            lines.append(f"  {escaped(line.strip())}")
        elif line.startswith("    "):
            if lines and lines[-1] and not lines[-1].startswith("    "):
                lines.append("")
            lines.append(line)
        else:
            field = field if not line.strip() else None
            lines.append(escaped(line))
    return "\n".join(lines)


def derived(text):
    """Mentions of chapters in a docstring as links: "notebooks/02" is chapter 02."""
    return re.sub(r"\bnotebooks/(\d\d)\b", r"chapter \1", text)


def hints(exercise):
    """What the grader of an exercise says of typical mistakes, as lines of a list; [] where it says it in code.

    Args:
        exercise: str such as "04.2".
    """
    module = importlib.import_module(f"groundup.exercises.ch{exercise[:2]}")
    grader = module.GRADERS[exercise]
    if hasattr(grader, "cases"):
        cases = list(grader.cases())
        said = [hint for case in cases[:1] for _, hint in case.wrong]
        said += [case.otherwise for case in cases[:1]]
    else:
        calls = [n for n in ast.walk(ast.parse(inspect.getsource(grader))) if isinstance(n, ast.Call)]
        said = [n.args[0].value for n in calls if ast.unparse(n.func) == "Hint" and isinstance(n.args[0], ast.Constant)]
    said = [re.sub(r",? (?:got|not) \{got[^}]*\}", "", hint) for hint in said if isinstance(hint, str)]
    return [f"- {escaped(hint)}" for hint in dict.fromkeys(said) if "{" not in hint]


def entry(node, name, used, level=0):
    """A function or class, and the methods of a class, as directives of Sphinx."""
    fence, indent = ":" * (7 - level), ""
    arguments = f"({ast.unparse(node.args)})" if isinstance(node, ast.FunctionDef) else ""
    kind = "class" if isinstance(node, ast.ClassDef) else "method" if level else "function"
    if kind == "method":
        arguments = re.sub(r"^\((self|cls)(, )?", "(", arguments)
    lines = [f"{fence}{{py:{kind}}} {name if not level else node.name}{arguments}", ""]
    lines += [derived(markdown(ast.get_docstring(node))), ""]
    if used:
        lines += [f"*Used in* {used}.", ""]
    if isinstance(node, ast.ClassDef):
        for inner in public(node):
            lines += entry(inner, name, "", level + 1)
    return [indent + line for line in [*lines, fence, ""]]


def used_in(places, about):
    """The sections that use a function, as links, chapter by chapter."""
    found = []
    for number, labels in places.items():
        headings = {label: about.sections[number].get(label) for label in labels}
        links = [f"[{h.partition('. ')[0] if h[0].isdigit() else h}](#{label})" for label, h in headings.items() if h]
        if None in headings.values():
            links.insert(0, f"[the start](/notebooks/{about.chapters[number].name})")
        found.append(f"chapter {number} ({', '.join(links)})")
    return "; ".join(found)


def pages(about):
    """{name of the page: Markdown} for each module that documents something, and their list."""
    places = {}
    for number, found in about.uses.items():
        for name, label in found:
            places.setdefault(name, {}).setdefault(number, []).append(label)
    made, listed = {}, []
    for module, tree in modules().items():
        nodes, says = public(tree), ast.get_docstring(tree) or ""
        if not nodes and module not in PACKAGES:
            passed = [target for name, target in names().items() if name.rpartition(".")[0] == module]
            if not passed:
                continue
        lines = [f"# {module}", "", f"```{{py:module}} {module}\n```", "", derived(markdown(says)), ""]
        passed = {n: t for n, t in names().items() if n != t and n.rpartition(".")[0] == module}
        if passed:
            lines += [
                "It passes on " + ", ".join(f"[`{n.rpartition('.')[2]}`](#{t})" for n, t in passed.items()) + ".",
                "",
            ]
        for node in nodes:
            name = f"{module}.{node.name}"
            lines += entry(node, node.name, used_in(places.get(name, {}), about))
        made[f"reference/{module}.md"] = "\n".join(lines)
        listed.append(f"- [{module}]({module}.md): {escaped(says.splitlines()[0]) if says else ''}")
    made["reference/index.md"] = "\n".join(
        [
            "# The packages",
            "",
            "What the chapters import (`groundup`) and what the notebooks for your own data import (`ownfiles`), from "
            "their docstrings. Each function names the sections of the chapters that use it.",
            "",
            *listed,
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *(name.removeprefix("reference/").removesuffix(".md") for name in made),
            "```",
        ]
    )
    return made
