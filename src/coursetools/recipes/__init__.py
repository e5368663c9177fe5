"""How the data, the trained weights and the records of experiments in data/ were made, one script each."""
