"""Processes that train together, on one machine or several: started, introduced to each other, and ended together.

The engine is `keras.distribution` on JAX (XLA; gloo between CPU processes). Beside it every process keeps a TCP
connection of its own to process 0. From there come the errors in one sentence, the word that a process is gone, and
what process 0 hands to all. docs/cluster.md shows it on several machines. Nothing here asks who is calling: use it in
a private network. JAX and Keras are imported by `join`.
"""

from .links import NAMES, broadcast, join, leave
from .processes import WorkerFailed, launch

__all__ = ["NAMES", "WorkerFailed", "broadcast", "join", "launch", "leave"]
