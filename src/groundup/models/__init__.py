"""The models that more than one chapter uses, and those whose trained weights the chapters load."""
