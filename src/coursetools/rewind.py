"""Takes a session of Python back to where it was: what `make mutants` does between two changes of one cell.

    before = rewind.Snapshot(shell.user_ns)
    ...  # run what may change anything
    before.restore()

Everything that is reached from the names is kept: contents of arrays, lists, dicts and sets, attributes of objects,
variables of Keras and TensorFlow, states of random generators, the files in the folder. What holds on to something
outside of Python, such as an iterator that was begun or a thread, is not; so a run after it is compared with the first.
"""

import contextlib
import copy
import pathlib
import random
import sys
import types
import weakref
from collections import OrderedDict

import numpy as np

PASSED = (str, bytes, int, float, complex, type(None), type, types.ModuleType, types.BuiltinFunctionType, weakref.ref)
FOREIGN = (
    "matplotlib",
    "IPython",
    "ipykernel",
    "jax",
    "jaxlib",
    "threading",
    "_thread",
    "logging",
    "pathlib",
    "tokenizers",
)
CALLABLE = ("PolymorphicFunction",)  # of TensorFlow's objects only a tf.function, which forgets its graphs so


def fields(thing):
    """The dict of an object's attributes, or None where it has none that may be put back."""
    kind, module = type(thing).__name__, type(thing).__module__.partition(".")[0]
    if isinstance(thing, PASSED) or module in FOREIGN or (module == "tensorflow" and kind not in CALLABLE):
        return None
    found = getattr(thing, "__dict__", None)
    return found if type(found) is dict else None


class Snapshot:
    """The state of what a dict of names holds, and of a folder."""

    def __init__(self, names, folder="."):
        self.names, self.folder, self.undo, seen = names, pathlib.Path(folder), [], {}
        modules = [vars(module) for name, module in sys.modules.items() if name.startswith("groundup")]
        waiting = [names, *modules, *_seeds()]
        while waiting:
            thing = waiting.pop()
            if id(thing) not in seen and not isinstance(thing, PASSED):
                seen[id(thing)] = thing
                waiting += self._keep(thing)
        self.random = random.getstate(), np.random.get_state()  # noqa: NPY002
        self.files = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def _keep(self, thing):
        """Notes how to put one object back; returns what it refers to."""
        kind = type(thing)
        if "wrapt" in kind.__module__ or kind.__name__ == "_DictWrapper":  # says that it is what it holds
            return [thing.__wrapped__]
        if isinstance(thing, np.ndarray):
            if isinstance(thing.base, np.ndarray):
                return [thing.base]
            if thing.flags.writeable and thing.dtype != object:
                self.undo.append((np.copyto, thing, thing.copy()))
        elif issubclass(kind, (list, set, dict)):
            plain = next(each for each in (list, set, dict) if issubclass(kind, each))
            self.undo.append((_refill, thing, plain(thing)))
            return list(thing.values()) if plain is dict else list(thing)
        elif isinstance(thing, (tuple, frozenset)):
            return list(thing)
        elif isinstance(thing, np.random.Generator):
            self.undo.append((_reseed, thing, copy.deepcopy(thing.bit_generator.state)))
        elif isinstance(thing, random.Random):
            self.undo.append((kind.setstate, thing, thing.getstate()))
        elif any(each.__name__ == "BaseResourceVariable" for each in kind.__mro__):
            with contextlib.suppress(Exception):  # one without a value yet
                self.undo.append((kind.assign, thing, thing.numpy()))
        elif isinstance(thing, types.MethodType):
            return [thing.__self__, thing.__func__]
        elif isinstance(thing, types.FunctionType):
            return self._function(thing)
        elif (found := fields(thing)) is not None:
            self.undo.append((_refill, found, dict(found)))
            return list(found.values())
        return []

    def _function(self, function):
        if function.__module__ != "__main__":
            return list(function.__defaults__ or ()) if function.__module__ else []
        held = []
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # empty
                held.append(cell.cell_contents)
                self.undo.append((_fill, cell, cell.cell_contents))
        return [*held, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]

    def restore(self):
        """Put everything back."""
        for put, thing, content in reversed(self.undo):
            put(thing, content)
        random.setstate(self.random[0])
        np.random.set_state(self.random[1])  # noqa: NPY002
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.files:
                path.unlink()
        for path, content in self.files.items():
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)


def _seeds():
    """What Keras and TensorFlow draw from where no seed is given."""
    found = []
    if "keras" in sys.modules:
        from keras.src.backend.common import global_state

        found.append(vars(global_state.GLOBAL_STATE_TRACKER))
    if "tensorflow" in sys.modules:
        from tensorflow.python.eager import context

        if hasattr(context.context(), "_rng"):
            found.append(context.context()._rng)
    return found


def _refill(thing, content):
    if issubclass(type(thing), list):
        list.__setitem__(thing, slice(None), content)
    else:
        plain = next(each for each in (OrderedDict, dict, set) if issubclass(type(thing), each))
        plain.clear(thing)
        plain.update(thing, content)


def _fill(cell, content):
    cell.cell_contents = content


def _reseed(generator, state):
    generator.bit_generator.state = state
