"""What training prints: one line per epoch, without timings. Keras is imported when first needed."""


def EpochLines(every=1):
    """A Keras callback that prints one line per epoch, without timings: `epoch  3/10  loss 0.123  accuracy 0.967`.

    Args:
        every: int, print each epoch whose number it divides, and always the last one of the plan.

    Returns:
        keras.callbacks.Callback, for `model.fit(..., verbose=0, callbacks=[EpochLines()])`. The loss comes
        first, then the metrics, then both on validation data, `val_...`; three decimals each.

    Raises:
        ValueError: `every` is not a positive whole number.
    """
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise ValueError(f"every={every!r}: a line can be printed every 1, 2, 3, ... epochs.")
    import keras

    class Lines(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            number, planned = epoch + 1, self.params["epochs"]
            if number % every == 0 or number == planned:
                print(epoch_line(number, planned, logs or {}))

    return Lines()


def epoch_line(number, planned, logs):
    """The line of one epoch, a str.

    Args:
        number: int, of this epoch, from 1.
        planned: int, how many epochs there will be; sets the width, so that lines stand under each other.
        logs: dict from metric to number, as Keras hands it to a callback.
    """
    names = sorted(logs, key=lambda name: (name.startswith("val_"), name.removeprefix("val_") != "loss"))
    values = "".join(f"  {name} {float(logs[name]):.3f}" for name in names if name != "learning_rate")
    return f"epoch {number:{len(str(planned))}}/{planned}{values}"
