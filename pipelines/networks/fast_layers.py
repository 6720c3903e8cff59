"""Layers of our own for JAX: Keras' weights and outputs by a route that compiles well and is mapped over fits.

``PatchConv2D`` is a convolution as a matrix product of image patches. ``lax.conv_general_dilated`` does not serve us:
mapped over the kernels of several fits it becomes a grouped convolution, and inside a loop XLA's CPU backend runs it
without its fast library (measured on 2 cores: 534 ms of CPU time for a training step of a small network on 128 digits,
against 73 ms here).

``ShiftedDepthwiseConv2D`` is a depthwise convolution as a sum of shifted images, one loop to XLA, which has no fast one
for a CPU, and whose gradient is slower still (measured on 2 cores, MobileNetV2 at 192 x 192 with width multiplier 0.35:
311 s of CPU time for the features of 3,670 images, against 29 s here).

``SparseInputDense`` is a dense layer for inputs that are mostly zeros.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
from jax import Array, lax
from jax.experimental.sparse import BCOO

#: Entries added up at a time: as fast as all at once, in a few megabytes even for wide layers.
BLOCK = 1024


class PatchConv2D(keras.layers.Conv2D):
    """``keras.layers.Conv2D`` with ``same`` padding, computed by another route; same weights, same outputs."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve images (batch, height, width, channels) with a kernel (side, side, channels, filters)."""
        side_y, side_x, channels, filters = kernel.shape
        _, height, width, _ = inputs.shape
        stride_y, stride_x = self.strides
        rows, before_y, after_y = _same(height, side_y, stride_y)
        columns, before_x, after_x = _same(width, side_x, stride_x)
        ops = keras.ops
        padded = ops.pad(inputs, ((0, 0), (before_y, after_y), (before_x, after_x), (0, 0)))
        # First the columns of the patches, then their rows: side + side slices in place of side x side.
        wide = ops.concatenate(
            [padded[:, :, x : x + (columns - 1) * stride_x + 1 : stride_x] for x in range(side_x)], axis=-1
        )
        patches = ops.concatenate(
            [wide[:, y : y + (rows - 1) * stride_y + 1 : stride_y] for y in range(side_y)], axis=-1
        )
        flat = ops.reshape(patches, (-1, side_y * side_x * channels))
        product = ops.matmul(flat, ops.reshape(kernel, (-1, filters)))
        return ops.reshape(product, (-1, rows, columns, filters))


class ShiftedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """``keras.layers.DepthwiseConv2D`` for channels last, one filter a channel; same weights, same outputs."""

    def call(self, inputs: Any) -> Any:
        """Convolve images (batch, height, width, channels), each channel with a kernel of its own."""
        ops = keras.ops
        side_y, side_x, channels, _ = self.kernel.shape
        stride_y, stride_x = self.strides
        if self.padding == "same":
            around_y = _same(inputs.shape[1], side_y, stride_y)[1:]
            around_x = _same(inputs.shape[2], side_x, stride_x)[1:]
            inputs = ops.pad(inputs, [(0, 0), around_y, around_x, (0, 0)])
        rows = (inputs.shape[1] - side_y) // stride_y + 1
        columns = (inputs.shape[2] - side_x) // stride_x + 1
        kernel = ops.reshape(self.kernel, (side_y, side_x, channels))
        outputs = None
        for y in range(side_y):
            lines = inputs[:, y : y + (rows - 1) * stride_y + 1 : stride_y]
            for x in range(side_x):
                shifted = lines[:, :, x : x + (columns - 1) * stride_x + 1 : stride_x] * kernel[y, x]
                outputs = shifted if outputs is None else outputs + shifted
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


def _same(length: int, side: int, stride: int) -> tuple[int, int, int]:
    """Positions of a kernel along an axis, and the padding before and after it, as TensorFlow's ``SAME`` has them."""
    positions = -(-length // stride)
    padding = max((positions - 1) * stride + side - length, 0)
    return positions, padding // 2, padding - padding // 2


class SparseInputDense(keras.layers.Dense):
    """``keras.layers.Dense`` on inputs in two parts: the first columns dense, the others a sparse ``BCOO`` matrix.

    Its weights are those of ``Dense`` on the whole. The number of entries is a multiple of ``BLOCK``.
    """

    def __init__(self, units: int, **settings: Any) -> None:
        super().__init__(units, **settings)
        self.input_spec = None  # Dense asks for one input

    def build(self, input_shape: Any) -> None:
        """Make the weights, for the number of columns of the sparse part, which counts all."""
        super().build(input_shape[1])
        self.input_spec = None

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Shape (rows, units)."""
        return keras.KerasTensor((*inputs[0].shape[:-1], self.units), dtype=self.compute_dtype)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Outputs (rows, units) of a dense (rows, first columns) and a sparse (rows, columns)."""
        frequent, rare = inputs
        kernel = self.kernel.value
        product = frequent @ kernel[: frequent.shape[1]] + sparse_product(rare, kernel)
        return self.activation(product + self.bias)


class Entries(NamedTuple):
    """Entries of a sparse matrix in blocks, each of shape (blocks, BLOCK): values, their rows and columns."""

    values: Array
    rows: Array
    columns: Array


def sparse_product(matrix: BCOO, kernel: Array) -> Array:
    """``matrix @ kernel``, (rows, units): for each entry a row of the kernel is added to a row of the result.

    JAX's own product of sparse matrices holds a row of the kernel for every entry at once.
    """
    parts = matrix.data, matrix.indices[:, 0], matrix.indices[:, 1]
    return _product(matrix.shape[0], kernel, Entries(*(part.reshape(-1, BLOCK) for part in parts)))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(rows: int, kernel: Array, entries: Entries) -> Array:
    return _scatter_rows((rows, kernel.shape[1]), kernel, entries)


def _product_forward(rows: int, kernel: Array, entries: Entries) -> tuple[Array, Any]:
    return _product(rows, kernel, entries), (kernel.shape, entries)


def _product_backward(_rows: int, kept: Any, gradient: Array) -> tuple[Array, None]:
    shape, entries = kept
    return _scatter_rows(shape, gradient, Entries(entries.values, entries.columns, entries.rows)), None


def _scatter_rows(shape: tuple[int, ...], source: Array, entries: Entries) -> Array:
    """Zeros of a shape, plus ``value * source[column]`` in its row for each entry."""

    def add(result: Array, block: Entries) -> tuple[Array, None]:
        found = source.at[block.columns].get(mode="promise_in_bounds") * block.values[:, None]
        return result.at[block.rows].add(found, mode="promise_in_bounds"), None

    return lax.scan(add, jnp.zeros(shape, source.dtype), entries)[0]


_product.defvjp(_product_forward, _product_backward)
