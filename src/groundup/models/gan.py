"""The GAN of chapter 10, for the recipe of its longer-trained weights, and the judge of its pictures.

Chapter 10 derives every part and writes it out; a test holds the two equal. Pictures are (batch, 28, 28, 1) in [-1, 1].
Importing this module imports Keras.
"""

import weakref

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

LATENT = 16
_LOOKS = weakref.WeakKeyDictionary()  # from a judge to the model that gives its features and logits


def generator(classes=0, latent=LATENT, width=32):
    """Noise (batch, latent), and the class (batch,) int where there are classes -> pictures; a keras.Model."""
    z = keras.Input((latent,), name="z")
    inputs, x = [z], z
    if classes:
        inputs.append(keras.Input((), dtype="int32", name="c"))
        x = layers.Concatenate()([z, layers.Embedding(classes, latent, name="embedding")(inputs[1])])
    x = layers.Dense(7 * 7 * 2 * width, use_bias=False, name="dense")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name="norm1")(x))
    x = layers.Reshape((7, 7, 2 * width))(x)
    x = layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False, name="up1")(x)  # 14 × 14
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name="norm2")(x))
    x = layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh", name="up2")(x)  # 28 × 28
    return keras.Model(inputs if classes else z, x, name="generator")


def discriminator(classes=0, width=32, features=128):
    """Pictures, and the class (batch,) int where there are classes -> logits (batch, 1), positive: real; a keras.Model.

    The class enters as a projection: the logit gets the product of the features and a vector learned for the class
    (Miyato and Koyama, 2018).
    """
    inputs = [keras.Input((28, 28, 1), name="x")]
    h = layers.LeakyReLU(0.2)(layers.Conv2D(width, 4, 2, "same", name="down1")(inputs[0]))  # 14 × 14
    h = layers.LeakyReLU(0.2)(layers.Conv2D(2 * width, 4, 2, "same", name="down2")(h))  # 7 × 7
    h = layers.LeakyReLU(0.2)(layers.Dense(features, name="dense")(layers.Flatten()(h)))
    logit = layers.Dense(1, name="logit")(h)
    if classes:
        inputs.append(keras.Input((), dtype="int32", name="c"))
        of_class = layers.Embedding(classes, features, name="embedding")(inputs[1])
        logit = layers.Add()([logit, layers.Dot(1)([h, of_class])])
    return keras.Model(inputs if classes else inputs[0], logit, name="discriminator")


class GAN(keras.Model):
    """A generator and a discriminator that train each other; `average` is the generator to sample from.

    Args:
        generator, discriminator: keras.Model, as the functions above make them.
        latent: int, length of the noise.
        decay: float, of the moving average of the generator's weights: it forgets within about 1 / (1 - decay) steps.
        seed: int, of the noise.
    """

    def __init__(self, generator, discriminator, latent=LATENT, decay=0.99, seed=10):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.classes, self.latent, self.decay = len(generator.inputs) == 2, latent, decay
        self.average = keras.models.clone_model(generator)
        self.average.set_weights(generator.get_weights())
        self.average.trainable = False
        self.noise = keras.random.SeedGenerator(seed)
        self.d_mean, self.g_mean = keras.metrics.Mean("d_loss"), keras.metrics.Mean("g_loss")

    def compile(self, generator_optimizer, discriminator_optimizer, **kwargs):
        """Two optimizers, one for each network's weights."""
        super().compile(**kwargs)
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    def draw(self, c):
        """One new picture for each class in c, by the generator as it is in training."""
        z = keras.random.normal((ops.shape(c)[0], self.latent), seed=self.noise)
        return self.generator([z, c] if self.classes else z, training=True)

    def judge(self, x, c):
        return self.discriminator([x, c] if self.classes else x, training=True)

    def discriminator_step(self, x, c):
        """Half of a step: -log D(x) - log(1 - D(G(z))), on logits; the generator stays as it is."""
        fake = self.draw(c)
        with tf.GradientTape() as tape:
            logits = self.judge(ops.concatenate([x, fake]), ops.concatenate([c, c]))
            real, made = ops.split(logits, 2)
            loss = ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(made))
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    def generator_step(self, c):
        """The other half: -log D(G(z)), on logits; the discriminator stays as it is."""
        with tf.GradientTape() as tape:
            loss = ops.mean(ops.softplus(-self.judge(self.draw(c), c)))
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(loss, weights), weights)
        for slow, fast in zip(self.average.variables, self.generator.variables, strict=True):
            slow.assign(self.decay * slow + (1 - self.decay) * fast)
        return loss

    def train_step(self, data):
        """Both halves; returns the losses averaged over the steps of the epoch so far."""
        x, c = data
        self.d_mean.update_state(self.discriminator_step(x, c))
        self.g_mean.update_state(self.generator_step(c))
        return {mean.name: mean.result() for mean in (self.d_mean, self.g_mean)}


def classifier():
    """The judge: pictures -> logits (batch, 10); its layer "features" is (batch, 64); a keras.Model, untrained."""
    x = keras.Input((28, 28, 1))
    h = layers.Conv2D(32, 5, 2, "same", activation="relu", name="conv1")(x)
    h = layers.Conv2D(64, 3, 2, "same", activation="relu", name="conv2")(h)
    h = layers.Conv2D(64, 3, 2, "same", activation="relu", name="conv3")(h)
    h = layers.Dropout(0.3)(layers.Flatten()(h))
    h = layers.Dense(64, activation="relu", name="features")(h)
    return keras.Model(x, layers.Dense(10, name="digit")(layers.Dropout(0.3)(h)), name="judge")


def scaled(images):
    """Bytes (n, 28, 28) 0..255 -> (n, 28, 28, 1) float32 in [-1, 1]."""
    return images[..., None].astype("float32") / 127.5 - 1


def look(judge, pictures):
    """What the judge makes of pictures: features (n, 64) and probabilities (n, 10), NumPy."""
    if judge not in _LOOKS:
        _LOOKS[judge] = keras.Model(judge.input, [judge.get_layer("features").output, judge.output])
    features, logits = _LOOKS[judge].predict(pictures, batch_size=250, verbose=0)
    return features.astype(float), ops.convert_to_numpy(ops.softmax(logits))


def frechet(a, b):
    """Fréchet distance of two sets of features (n, d) and (m, d), each taken as a Gaussian; a float, squared units.

    abs(mean difference)² + trace(A + B - 2 (A^½ B A^½)^½); Dowson and Landau (1982). Derived in notebooks/10.
    """
    A, B = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    mixed = np.sqrt(np.linalg.eigvalsh(root @ B @ root).clip(0)).sum()
    return float(np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2) + np.trace(A) + np.trace(B) - 2 * mixed)


def scores(judge, pictures, real, sure=0.9):
    """Numbers instead of admiration.

    Args:
        judge: keras.Model, trained.
        pictures: (n, 28, 28, 1).
        real: features (m, 64) of real digits.
        sure: float, the probability from which a digit counts as recognised.

    Returns:
        dict: recognised (share), least and most (share of the rarest and the most frequent of the ten digits),
        distance (Fréchet).
    """
    features, p = look(judge, pictures)
    share = np.bincount(p.argmax(axis=1), minlength=10) / len(p)
    return {
        "recognised": float((p.max(axis=1) >= sure).mean()),
        "least": float(share.min()),
        "most": float(share.max()),
        "distance": frechet(real, features),
    }


def packed(model):
    """{name: float16 array} of a model's variables, names by path with dots, for an .npz file."""
    found = {v.path.replace("/", "."): v for v in model.variables if v.dtype == "float32"}
    return {name: np.asarray(v.value).astype("float16") for name, v in found.items()}


def unpack(model, arrays):
    """Set a model's variables from such arrays (a dict, or an opened .npz file) and return the model."""
    for v in model.variables:
        if v.dtype == "float32":
            v.assign(arrays[v.path.replace("/", ".")].astype("float32"))
    return model
