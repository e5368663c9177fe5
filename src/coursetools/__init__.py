"""Tools around the course: running chapters, set-up, editions for teaching, marking, keeping notebooks in one form.

They may import `groundup`, what chapters import; never the reverse.
"""
