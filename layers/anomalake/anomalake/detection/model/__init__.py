"""The model: what is expected of each metric, and how unlikely what came is. The method is in docs/detection.md."""

from anomalake.detection.model.fit import fit
from anomalake.detection.model.judge import judge
from anomalake.detection.model.model import Model, ModelError, State

__all__ = ["Model", "ModelError", "State", "fit", "judge"]
