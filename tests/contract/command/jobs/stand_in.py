"""A small program in the trainer's place: it is the better, the nearer its rate is to 0.1."""

TRAINER = """
import json, os, sys, tarfile, time
from pathlib import Path
if sys.argv[1] == "settings":
    for path in sys.argv[2:]:
        print(json.dumps({"rate": 0.01, "epochs": 10} | json.loads(Path(path).read_text())))
    sys.exit()
ml = Path(os.environ["KENNEL_ML_ROOT"])
if sys.argv[1] == "package":
    with tarfile.open(sys.argv[2], "w:gz") as tar:
        tar.add(ml / "model/manifest.json", "manifest.json")
    sys.exit()
settings = json.loads((ml / "input/config/hyperparameters.json").read_text())
rate = float(settings["rate"])
if Path("pictures").exists():  # on this machine, in the test's folder
    with open("starts", "a") as starts:
        print(ml.parent.name, settings["rate"], file=starts)
while rate == 0.12 and Path("hold").exists():
    time.sleep(0.05)
accuracy = round(1 - abs(rate - 0.1), 4)
for epoch in (1, 2):
    print(f"event=epoch epoch={epoch} epochs=2 train_loss=1 valid_accuracy={accuracy} rate=1 "
          "images_per_second=5", flush=True)
if rate == 0.9:
    (ml / "output").mkdir(exist_ok=True)
    (ml / "output/failure").write_text("the loss is not a number")
    sys.exit(1)
for folder in ("model", "output/data"):
    (ml / folder).mkdir(parents=True, exist_ok=True)
manifest = {"name": "found", "version": "0a1b2c3d4e5f", "classes": ["cat", "dog"],
            "metrics": {"fp32": {"test_accuracy": accuracy}}}
(ml / "model/manifest.json").write_text(json.dumps(manifest))
(ml / "output/data/release.json").write_text(json.dumps({"manifest": manifest, "examples": []}))
"""
