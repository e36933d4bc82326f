"""Where the parts of the repository lie. The command meets them as files and as processes only."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
OPENAPI = FUNCTIONS / "invoke/openapi.yaml"
HANDLER = "invoke.handler.handle"
