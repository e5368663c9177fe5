"""Editions of the chapters for teaching: `python -m coursetools.workshop [CHAPTER ...] [--out OUT]`

Writes to OUT/workshop, for the chapters named (all when none is), from the committed notebooks:

    learner/NN_slug.ipynb         without the cells tagged `solution` and without outputs; runs from top to bottom
    instructor/NN_slug.ipynb      solutions open, with the notes and minutes of docs/teaching.md
    slides/NN_slug.slides.html    one self-contained page each: formulas, code, figures, speaker notes (key S)
    learner.zip, instructor.zip, slides.zip    what to hand out; the first two hold all that a chapter needs to run

Exit status: 0 done, 1 a file could not be written, 2 refused, with one sentence that says why. What is on the slides
is a rule over what the chapters hold (`slides_of`); a cell's `slideshow.slide_type`, as JupyterLab sets it, overrules
it: "skip" leaves the cell out, "slide" takes it in.
"""
