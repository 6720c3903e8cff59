"""A convolution as a matrix product of image patches, which JAX maps over fits and compiles well on every device.

``lax.conv_general_dilated`` does not serve us: mapped over the kernels of several fits it becomes a grouped
convolution, and inside a loop XLA's CPU backend runs it without its fast library (measured on 2 cores: 534 ms of CPU
time a training step of a small network on 128 digits, against 73 ms here).
"""

from typing import Any

import keras


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


def _same(length: int, side: int, stride: int) -> tuple[int, int, int]:
    """Positions of a kernel along an axis, and the padding before and after it, as TensorFlow's ``SAME`` has them."""
    positions = -(-length // stride)
    padding = max((positions - 1) * stride + side - length, 0)
    return positions, padding // 2, padding - padding // 2
