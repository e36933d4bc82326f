"""The frozen backbone: OpenVINO computes what torch would."""

import pytest


@pytest.mark.parametrize(("arithmetic", "near"), [("fp32", 1e-3), ("bf16", 0.05)])
def test_its_features_are_those_of_torch(arithmetic: str, near: float) -> None:
    import torch
    import torchvision

    from trainer import frozen, model

    torch.manual_seed(0)
    backbone, _ = model.split(torchvision.models.get_model("shufflenet_v2_x0_5", num_classes=3))
    run = frozen.runner(backbone, 64, torch.device("cpu"), arithmetic)
    pictures = torch.randint(256, (3, 64, 64, 3), dtype=torch.uint8)
    inputs = model.normalise(pictures)
    with torch.no_grad():
        expected = backbone(inputs)
    assert torch.norm(run(inputs) - expected) < near * torch.norm(expected)
