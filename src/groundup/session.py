"""Start a chapter: quiet imports, one seed, the house style for figures."""

import os
import sys
import tempfile
from pathlib import Path

from .models import fused

ENGINES = {"tensorflow": "TensorFlow", "jax": "JAX"}  # the names of Keras for them, and their own


def start(seed, backend="tensorflow"):
    """Import Keras and its engine quietly, seed Python, NumPy and Keras, and set the style of the figures.

    Args:
        seed: int; a chapter uses its own number. Random steps later in a chapter are seeded again where they happen.
        backend: str, "tensorflow"; "jax" in chapter 11.

    Raises:
        ImportError: Keras or its engine cannot be imported; says how to mend it and shows what they printed.
    """
    keras = import_keras(backend)
    from . import plots

    keras.utils.set_random_seed(seed)
    plots.style()
    print(f"ready: seed {seed}, Keras 3 on {ENGINES[backend]}")


def versions():
    """Versions of what the numbers of a chapter depend on.

    Returns:
        dict from name to version string: Python, NumPy, Keras, TensorFlow.
    """
    from importlib import metadata  # the numbers without the libraries, which take seconds to load

    python = ".".join(map(str, sys.version_info[:3]))
    return {"Python": python, **{name: metadata.version(name.lower()) for name in ("NumPy", "Keras", "TensorFlow")}}


def output(name):
    """A folder for what a chapter writes (models, tables), made if it is not there.

    Args:
        name: str, the chapter's number.

    Returns:
        pathlib.Path of `name` in the folder OUT of `make run`; elsewhere in build/ of the repository, or in a new
        temporary folder where that cannot be written.
    """
    root = Path(os.environ.get("GROUNDUP_OUT") or Path(__file__).resolve().parents[2] / "build")
    try:
        (root / name).mkdir(parents=True, exist_ok=True)
        if os.access(root / name, os.W_OK):
            return root / name
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix=f"groundup-{name}-"))


def readers_path(path):
    """A reader's file or folder, as seen from here or else from the top of the repository, where make is called.

    Args:
        path: str; ~ is the home folder. Any text will do: what can be nobody's file is in neither place.

    Returns:
        pathlib.Path; as seen from here if it is in neither place.
    """
    near, top = Path(os.path.expanduser(path)), Path(__file__).resolve().parents[2] / path
    return top if os.path.exists(top) and not os.path.exists(near) else near


def import_keras(backend="tensorflow"):
    """Keras on an engine, imported quietly; see `start`."""
    # TensorFlow writes to file descriptor 2 from C++ while it loads and when it first looks for devices, whatever
    # TF_CPP_MIN_LOG_LEVEL says. The descriptor goes to a file meanwhile, which is shown only when the import fails.
    if os.environ.setdefault("KERAS_BACKEND", backend) != backend:
        seen = os.environ["KERAS_BACKEND"]
        raise ImportError(f"KERAS_BACKEND is {seen!r}, this chapter needs {backend!r}: unset it and restart.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        failure = None
        # TensorFlow imports JAX where it finds it, Keras' seed TensorFlow, and Keras' wrappers scikit-learn: seconds,
        # and no use here. JAX and scikit-learn can be imported afterwards.
        for name in ("sklearn", "jax" if backend == "tensorflow" else "tensorflow"):
            sys.modules.setdefault(name, None)
        try:
            import keras

            if backend == "tensorflow":
                import tensorflow as tf

                tf.config.list_physical_devices()
                tf.get_logger().setLevel("ERROR")  # it warns, in Jupyter on standard output, of many small models
                fused.fuse(keras.layers.BatchNormalization)
        except Exception as error:
            failure = error
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            for name in ("sklearn", "jax"):
                if sys.modules.get(name, ...) is None:
                    del sys.modules[name]
        if failure is not None:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            engine = ENGINES[backend]
            message = f"Keras on {engine} could not be imported ({failure}). 'make doctor' says what is missing."
            raise ImportError(message) from failure
    return keras
