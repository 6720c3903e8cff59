"""The registered model of a user's own data: raw rows in, labels with probabilities or values out.

MLflow runs this file where the model is loaded ("models from code"), in an environment that has mlflow, keras with one
of its backends, pandas and numpy, and nothing of this project. Beside it lie ``code/encoding.py``, which turned the
training rows into inputs as well, and as artifacts the network and ``encoding.json``: the encoding with ``labels``, the
classes as the user wrote them, and ``backend``, which trained. Nothing is pickled.
"""

import json
import os
import sys
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from numpy.typing import NDArray

#: Backends of Keras and the packages they need, in the order in which they are taken.
BACKENDS = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
#: Name of the layer that turns what the network says into the target's units.
TARGET_UNITS = "target_units"
#: Beside ``encoding.py``, where a user's own network has layers of its own: the file that builds it.
OWN_FILE = "own_network.py"
#: Values of inputs that are on the device together.
_BATCH_VALUES = 1 << 22


class RowsModel(PythonModel):
    """A network with its encoding.

    Parameters
    ----------
    code
        The module that encodes, as it was when the model was made; MLflow gives none, and it is read by
        ``load_context``, as all the others are.
    encoding
        Plain data, see there.
    network
        The Keras model: encoded rows in, probabilities or values out.
    """

    def __init__(
        self, code: ModuleType | None = None, encoding: Mapping[str, Any] | None = None, network: Any = None
    ) -> None:
        self.code: Any = code
        self.encoding: Mapping[str, Any] = encoding or {}
        self.network = network
        self._raw: Any = None

    def load_context(self, context: Any) -> None:
        """Read the network and the encoding."""
        self.code = _load_module(Path(__file__).parent / "code" / "encoding.py")
        self.encoding = json.loads(Path(context.artifacts["encoding"]).read_text(encoding="utf-8"))
        _choose_backend(self.encoding["backend"])
        import keras

        own = self.encoding.get("own")
        # Layers of the user's own, from the file that built the network.
        module = _load_module(Path(__file__).parent / "code" / OWN_FILE) if own else None
        parts = {registered: getattr(module, name) for registered, name in (own or {}).items()}
        self.network = keras.saving.load_model(context.artifacts["network"], custom_objects=parts)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """``answer``, as MLflow calls it; what is wrong with the rows is the error that a server gives back."""
        try:
            return self.answer(model_input)
        except self.code.RowsError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error

    def answer(self, rows: "pd.DataFrame | NDArray[Any]") -> pd.DataFrame:
        """What the network says of raw rows.

        Parameters
        ----------
        rows
            As in the user's own file: a frame whose columns may be in any order and more than are needed, or an array.

        Returns
        -------
        A row each: ``prediction``, a class as the user wrote it, or a value in the target's units; for classes also
        ``probability_<class>`` of each. Raises the ``RowsError`` of ``code`` where rows cannot be encoded.
        """
        outputs = self.outputs(self.code.encode(self.encoding, rows))
        index = rows.index if isinstance(rows, pd.DataFrame) else None
        labels = self.encoding["labels"]
        if not labels:
            return pd.DataFrame({"prediction": outputs[:, 0].astype(np.float64)}, index=index)
        shares = np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs
        columns = {f"probability_{label}": shares[:, place].astype(np.float64) for place, label in enumerate(labels)}
        return pd.DataFrame({"prediction": pd.Series(labels)[shares.argmax(axis=1)].to_numpy(), **columns}, index=index)

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """What the network gives for encoded rows, shape (rows, outputs), in batches that fit the memory."""
        if not len(inputs):
            return np.zeros((0, self.network.output_shape[-1]))
        batch = min(len(inputs), max(1, _BATCH_VALUES // max(1, int(np.prod(inputs.shape[1:])))))
        last = self.network.layers[-1]
        if last.name != TARGET_UNITS:
            return np.asarray(self.network.predict(inputs, batch_size=batch, verbose=0))
        # A float32 has too few digits for a target that is large beside what it varies by.
        raw = np.asarray(self._raw_network().predict(inputs, batch_size=batch, verbose=0), np.float64)
        return raw * last.scale + last.offset

    def _raw_network(self) -> Any:
        """The network without its last layer, made once."""
        import keras

        if self._raw is None:
            self._raw = keras.Sequential([keras.Input(self.network.input_shape[1:]), *self.network.layers[:-1]])
        return self._raw


def _choose_backend(trained: str) -> None:
    """Let Keras run on what trained the network, else on whatever is here; a choice made already stands."""
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND"):
        return
    order = [trained, *BACKENDS]
    found = next((name for name in order if util.find_spec(BACKENDS.get(name, name))), trained)
    os.environ["KERAS_BACKEND"] = found


def _load_module(path: Path) -> ModuleType:
    """A module from its file, under a name of its own: two models in one process may have different versions."""
    name = f"encoding_{abs(hash(path)):x}"
    spec = util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


mlflow.models.set_model(RowsModel())
