"""Batch normalization of feature maps in one operation. Importing this module imports Keras and TensorFlow.

Keras writes the layer out in some ten operations, each of which reads and writes all feature maps, and as many again
for the gradient. On a CPU these take half the time of training a small convolutional network. TensorFlow has one
operation for each direction.
"""

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """keras.layers.BatchNormalization for maps (batch, height, width, channels), sooner in training.

    Arguments, weights and results are those of Keras' layer (a test compares outputs, gradients and moving averages),
    and it is saved as that layer: a saved model needs nothing of this package. Derived in notebooks/07. Source: Ioffe
    and Szegedy, "Batch Normalization" (2015).
    """

    def call(self, inputs, training=None, mask=None):
        """Maps of the same shape; outside training, and for other shapes than maps, computed by Keras."""
        if not (training and self.trainable) or mask is not None or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(inputs, self.gamma, self.beta, epsilon=self.epsilon)
        n = tf.cast(tf.size(inputs) // inputs.shape[-1], variance.dtype)
        keep, variance = self.momentum, variance * (n - 1) / n  # it gives the unbiased one, Keras keeps the other
        self.moving_mean.assign(keep * self.moving_mean + (1 - keep) * mean)
        self.moving_variance.assign(keep * self.moving_variance + (1 - keep) * variance)
        return y


BatchNormalization.__module__ = "keras.layers"  # what a saved model names
