"""The model: the expected value and range of each metric, and the severity of each observed value.

docs/detection.md describes the method.
"""

from anomalake.model.fit import fit
from anomalake.model.judge import judge
from anomalake.model.model import Model, ModelError, State

__all__ = ["Model", "ModelError", "State", "fit", "judge"]
