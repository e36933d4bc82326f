"""The frozen backbone: OpenVINO computes what torch would."""

import pytest


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-3), ("bf16", 0.05), ("auto", 0.05)])
def test_its_features_are_those_of_torch(precision: str, near: float) -> None:
    import torch
    import torchvision

    from trainer import frozen, model
    from trainer.config import Config
    from trainer.world import World

    torch.manual_seed(0)
    backbone, _ = model.split(torchvision.models.get_model("shufflenet_v2_x0_5", num_classes=3))
    config = Config(size=64, resize=64, precision=precision)
    run = frozen.runner(backbone, config, World(0, 1, 0, 1, 0))
    pictures = torch.randint(256, (3, 64, 64, 3), dtype=torch.uint8)
    inputs = model.normalise(pictures)
    with torch.no_grad():
        expected = backbone(inputs)
    assert torch.norm(run(inputs) - expected) < near * torch.norm(expected)
