"""Talk to the language model of chapter 12 in a terminal: `python -m coursetools.chat [--system TEXT] [QUESTION]`

Answers appear word by word. Ctrl-C stops an answer and not the program; at the prompt, Ctrl-C, Ctrl-D or an empty line
ends it. /new forgets the conversation. Exit status: 0, or 1 with one sentence if the weights are missing or changed.
"""

import argparse
import sys

from groundup import session


def reply(chat, messages, write, **options):
    """Write an answer piece by piece; returns what was written, also when Ctrl-C cut it short.

    Args:
        chat: smollm.Chat.
        messages: list of (role, text), the question last.
        write: function of a piece of text.
        options: of Chat.stream.
    """
    said = []
    try:
        for piece in chat.stream(messages, **options):
            said.append(piece)
            write(piece)
    except KeyboardInterrupt:
        write(" …")
    write("\n")
    return "".join(said)


def talk(chat, ask, write, **options):
    """Questions and answers until ask() gives an empty line or is ended.

    A conversation that becomes too long for the model begins anew, and says so.

    Args:
        chat: smollm.Chat.
        ask: function that returns a question, str.
        write: function of a piece of text.
        options: of Chat.stream.
    """
    messages = []
    while True:
        try:
            question = ask().strip()
        except (EOFError, KeyboardInterrupt):
            write("\n")
            return
        if not question:
            return
        if question == "/new":
            messages = []
            continue
        messages.append(("user", question))
        system = {"system": options["system"]} if "system" in options else {}
        room = options.get("tokens", 200)
        if len(messages) > 1 and len(chat.prompt(messages, **system)) + room > chat.places:
            write("(the conversation is too long for the model, which now sees your last question only)\n")
            messages = messages[-1:]
        if len(chat.prompt(messages, **system)) >= chat.places:
            write(f"(that is too long: at most {chat.places} tokens, question and answer together)\n")
            messages = []
            continue
        messages.append(("assistant", reply(chat, messages, write, **options)))


def write(text):
    """Print a piece of text at once, on any terminal."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end="", flush=True)


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.chat", description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="*", help="one question, answered at once; without it, a conversation")
    parser.add_argument("--system", help="a message that stands before the conversation")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 (default): always the most probable token")
    parser.add_argument("--tokens", type=int, default=300, help="length of an answer at most (default: 300)")
    parser.add_argument("--seed", type=int, help="of what is drawn at a temperature above 0")
    options = vars(parser.parse_args(arguments))
    question = " ".join(options.pop("question"))
    if options["system"] is None:
        del options["system"]
    try:
        session.import_keras()
        from groundup.models import smollm

        chat = smollm.load(places=1024, xla=True)
        if question:
            reply(chat, [("user", question)], write, **options)
            return 0
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:  # SmolError, or GgufError
        print(error, file=sys.stderr)
        return 1
    write("SmolLM2, 135 million parameters. It makes things up. An empty line ends, /new forgets, Ctrl-C stops it.\n")
    talk(chat, lambda: input("> "), write, **options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
