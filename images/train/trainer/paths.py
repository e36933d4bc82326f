"""Where SageMaker puts things in a training container; KENNEL_ML_ROOT moves them elsewhere."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("KENNEL_ML_ROOT", "/opt/ml"))
HYPERPARAMETERS = ROOT / "input/config/hyperparameters.json"
DATA = ROOT / "input/data/training"
MODEL = ROOT / "model"
METRICS = ROOT / "output/data/metrics.jsonl"
FAILURE = ROOT / "output/failure"
