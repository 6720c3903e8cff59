"""A dense layer for inputs that are mostly zeros, for the JAX backend."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import Array, lax
from jax.experimental.sparse import BCOO

#: Entries added up at a time: as fast as all at once, in a few megabytes even for wide layers.
BLOCK = 1024


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


def sparse_product(matrix: BCOO, kernel: Array) -> Array:
    """``matrix @ kernel``, (rows, units): for each entry a row of the kernel is added to a row of the result.

    JAX's own product of sparse matrices holds a row of the kernel for every entry at once.
    """
    owners, columns = matrix.indices[:, 0].reshape(-1, BLOCK), matrix.indices[:, 1].reshape(-1, BLOCK)
    return _product(matrix.shape[0], kernel, matrix.data.reshape(-1, BLOCK), owners, columns)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(rows: int, kernel: Array, values: Array, owners: Array, columns: Array) -> Array:
    return _scatter_rows((rows, kernel.shape[1]), kernel, values, owners, columns)


def _product_forward(rows: int, kernel: Array, values: Array, owners: Array, columns: Array) -> tuple[Array, Any]:
    return _product(rows, kernel, values, owners, columns), (kernel.shape, values, owners, columns)


def _product_backward(rows: int, kept: Any, gradient: Array) -> tuple[Array | None, ...]:
    shape, values, owners, columns = kept
    return _scatter_rows(shape, gradient, values, columns, owners), None, None, None


def _scatter_rows(shape: tuple[int, ...], source: Array, values: Array, to: Array, of: Array) -> Array:
    """Zeros of a shape, plus ``values[e] * source[of[e]]`` in row ``to[e]`` for each entry; indices (blocks, BLOCK)."""

    def add(result: Array, block: tuple[Array, Array, Array]) -> tuple[Array, None]:
        value, target, origin = block
        rows = source.at[origin].get(mode="promise_in_bounds") * value[:, None]
        return result.at[target].add(rows, mode="promise_in_bounds"), None

    return lax.scan(add, jnp.zeros(shape, source.dtype), (values, to, of))[0]


_product.defvjp(_product_forward, _product_backward)
