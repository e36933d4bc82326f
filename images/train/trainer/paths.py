"""Where SageMaker puts things in a training container; KENNEL_ML_ROOT moves them elsewhere."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("KENNEL_ML_ROOT", "/opt/ml"))
HYPERPARAMETERS = ROOT / "input/config/hyperparameters.json"
INPUTS = ROOT / "input/config/inputdataconfig.json"
RESOURCES = ROOT / "input/config/resourceconfig.json"
CHANNELS = ROOT / "input/data"
MODEL = ROOT / "model"
METRICS = ROOT / "output/data/metrics.jsonl"
REPORT = ROOT / "output/data/report.html"
EVALUATION = ROOT / "output/data/evaluation.json"
RELEASE = ROOT / "output/data/release.json"
FAILURE = ROOT / "output/failure"
CHECKPOINTS = ROOT / "checkpoints"
