"""What make is given reaches the tools as it is: paths with a dollar sign, quotes, blanks."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from coursetools import notebook

ROOT = notebook.SRC.parent
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make here")
# Instead of the environment's Python one that shows its arguments; instead of the system's one that sets up nothing.
SHOWS = "#!/bin/sh\nprintf '%s\\0' \"$@\"\n"
SETS_UP = f'#!/bin/sh\n[ "$1" = -I ] || exec "{sys.executable}" "$@"\n'
TITLE = "$k$-means, \"quoted\" and 'so', $(x) `y` #1"
ODD = [
    TITLE,
    "a$b",
    "$HOME/x",
    "$(HOME)",
    "${HOME}",
    "a`b`c",
    "a'b",
    'a"b',
    "a\\tb",
    "a b  c",
    "a;b&c|d>e",
    "é#x",
    "a%b*",
    "a,b)(",
]


@pytest.fixture
def call(tmp_path):
    """A function that calls make with such Pythons and returns (what the tool is given, what make says, status)."""
    folder = tmp_path / "it's $a \"b`"
    for path, script in ((folder / "v" / "bin" / "python", SHOWS), (folder / "python", SETS_UP)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def made(target, rule="", **variables):
        given = {"VENV": folder / "v", "PYTHON": folder / "python"} | variables
        command = ["make", "-s", "-f", "Makefile", *(["-f", "-"] if rule else []), target]
        command += [f"{name}={value}" for name, value in given.items()]
        env = {**os.environ, "HOME": "/h$o o", "MPLBACKEND": "TkAgg"}
        done = subprocess.run(command, cwd=ROOT, input=rule, env=env, capture_output=True, text=True, timeout=60)
        return done.stdout.split("\0")[:-1], done.stderr, done.returncode

    return made


@pytest.mark.parametrize("odd", ODD)
def test_paths_reach_the_tool_as_they_are(call, odd):
    given, said, status = call("run", NB="01 02", OUT=odd)
    assert (given, said, status) == (["-m", "coursetools.run", "01", "02", "--out", odd], "", 0)
    assert call("grade", DIR=odd, OUT=odd)[0] == ["-m", "coursetools.grade", odd, "--out", odd]
    assert call("new", NB="13", TITLE=odd)[0] == ["-m", "coursetools.new", "13", odd, "--out", "build"]
    started = ["-m", "groundup.cluster", odd, f"{odd}/train-gpt", "src/coursetools/recipes/train_gpt.py"]
    assert call("train-gpt", OUT=odd, WORKERS=odd)[0] == [*started, "--out", f"{odd}/train-gpt/gpt"]
    if " " not in odd:
        assert call("workshop", CHAPTERS=odd)[0] == ["-m", "coursetools.workshop", odd, "--out", "build"]
        assert call("profile", NB=odd)[0][2] == odd


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("target", ["run", "site", "chat", "grade", "train-gpt", "tidy", "records", "mutants"])
def test_words_of_args_reach_the_tool_as_they_are(call, target, odd):
    quoted = "'" + odd.replace("'", "'\\''") + "'"
    given = call(target, ARGS=f"-p DATA_DIR {quoted} --last")[0]
    if target == "tidy":  # takes none
        assert "--last" not in given
    else:
        assert given[-4:] == ["-p", "DATA_DIR", odd, "--last"]
    if not set(odd) & set("'\" \\"):  # in quotation marks of the other kind, and in none
        assert call("run", ARGS=f'-p DATA_DIR "{odd}"')[0][-1] == odd == call("run", ARGS=f"-p DATA_DIR {odd}")[0][-1]


def test_a_home_folder_in_args(call):
    assert call("run", ARGS="-p DATA_DIR ~/'my photos' -p B '~'")[0][-5:-3] == ["DATA_DIR", "/h$o o/my photos"]


@pytest.mark.parametrize(
    ("out", "expected"),
    [("~/a b~/x", "/h$o o/a b~/x"), ("~", "/h$o o"), ("a ~/x", "a ~/x"), ("~b/x", "~b/x"), ("/$o", "/$o")],
)
def test_make_knows_the_home_folder(call, out, expected):
    assert call("run", OUT=out)[0][-1] == expected
    rule = 'shown: ; @printf \'%s\\0\' "$$KERAS_HOME" "$${MPLBACKEND-unset}"\n'
    home = expected if expected[0] == "/" else f"{ROOT}/{expected}"
    assert call("shown", rule, OUT=out)[0] == [f"{home}/.home/keras", "unset"]


@pytest.mark.parametrize("name", ["COORDINATOR", "JOIN_TOKEN"])
def test_what_only_goes_into_the_environment_is_kept_too(call, name):
    assert call("shown", f"shown: ; @printf '%s\\0' \"$${name}\"\n", **{name: "a$b$(c)"})[0] == ["a$b$(c)"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"OUT": "a\nb"}, "OUT holds a line break, which no name here may"),
        ({"DIR": "a\nb"}, "DIR holds a line break"),
        ({"ARGS": "-p A 'b"}, "ARGS cannot be read as words: No closing quotation"),
        ({"ARGS": "-p A b\\"}, "ARGS cannot be read as words: No escaped character"),
    ],
)
def test_what_cannot_be_handed_on_is_refused(call, given, said):
    shown, message, status = call("run", **given)
    assert shown == [] and status == 2 and said in message and message.count("\n") == 1


TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CALL = re.compile(r"(?:^ {4}|`)make ([a-z-]+)((?: [A-Z_]+=(?:\"[^\"]*\"|[^\s`]+))*)", re.M)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_commands_in_the_texts_are_those_of_the_makefile(path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    known = set(re.findall(r"^([A-Z]+) =", makefile, re.M)) | {"COORDINATOR", "PROCESS_ID", "NUM_PROCESSES"}
    for target, given in CALL.findall(path.read_text(encoding="utf-8")):
        assert target in targets, f"make {target}"
        names = re.findall(r'([A-Z_]+)=("[^"]*"|\S+)', given)
        assert {name for name, _ in names} <= known, given
        values = {name: value.strip('"') for name, value in names}
        chosen = [stem for stem in values.get("NB", "").split() if re.fullmatch(r"\d\d|my_\w+", stem)]
        for parameter in re.findall(r"-p ([A-Z_]+)", values.get("ARGS", "")) if target == "run" else []:
            for notebook_file in notebook.find_chapters(chosen) if chosen else []:
                known_there = notebook.parameters_of(notebook.read(notebook_file), notebook_file.name)
                assert parameter in known_there, f"{notebook_file.name} has no {parameter}"


def test_the_first_text_names_commands(call):
    found = CALL.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(found) > 15 and {"run", "test", "lab", "site", "doctor", "grade"} <= {target for target, _ in found}
    listed = call("help")
    assert listed[2] == 0


def test_one_chapter_s_number_takes_no_cell_of_another():
    """`make test NB=12` asks for chapter 12, not for "Cell 12" of every notebook."""
    options = "--nbval --nbval-current-env --collect-only -q --about 12 notebooks".split()
    command = [sys.executable, "-m", "pytest", *options]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8").stdout
    assert set(re.findall(r"(\S+\.ipynb):", found)) == {"notebooks/12_language_model_that_answers.ipynb"}, found
