"""The model: what is expected of each metric, and how unlikely what came is. The method is in docs/detection.md."""

from anomalake.model.fit import fit
from anomalake.model.judge import judge
from anomalake.model.model import Model, ModelError, State

__all__ = ["Model", "ModelError", "State", "fit", "judge"]
