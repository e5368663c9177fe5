"""A small pretrained BERT: weights that are checked, batches of similar length, a training that resumes, a saved model.

    tokenizer, backbone = bert.load()
    rows = bert.ids(tokenizer, texts, length=64)
    losses = bert.fit(model, rows, labels, optimizer, epochs=2, seed=9, state="state.npz")
    bert.save("my_model", tokenizer, model, classes, length=64)
    bert.restore("my_model").predict(["A film to love."])

Taken apart in notebooks/09. Keras, KerasHub and TensorFlow are imported when first needed.
"""

from .learn import BATCH, fit, logits
from .rows import LONGEST, MULTIPLE, ids, in_batches, inputs, length_batches, pad
from .saved import Classifier, restore, save
from .weights import BertError, folder, load, verify

__all__ = [
    "BATCH",
    "LONGEST",
    "MULTIPLE",
    "BertError",
    "Classifier",
    "fit",
    "folder",
    "ids",
    "in_batches",
    "inputs",
    "length_batches",
    "load",
    "logits",
    "pad",
    "restore",
    "save",
    "verify",
]
