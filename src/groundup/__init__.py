"""groundup: what the chapters of Large Models from the Ground Up share.

Importing it loads nothing else: each module imports NumPy, Matplotlib or Keras when it is first needed.
"""

__version__ = "1.0.0"
