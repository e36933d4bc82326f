"""The recipe: learning rates, their course, the average, the weights of classes."""

import math

import pytest


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    from trainer.recipe import rate_at

    course = [rate_at(step, 100, 0.3) for step in range(100)]
    assert course[0] == pytest.approx(0.04)
    assert max(course) == course[30] == 1.0
    assert course[:30] == sorted(course[:30])
    assert course[30:] == sorted(course[30:], reverse=True)
    assert course[65] == pytest.approx(0.5)
    assert 0 < course[99] < 0.001
    assert rate_at(0, 10, 0.0) == 1.0


def test_layers_far_from_the_output_learn_slower_and_biases_do_not_decay() -> None:
    import torchvision

    from trainer import recipe
    from trainer.config import Config

    network = torchvision.models.get_model("resnet18", num_classes=3)
    optimiser = recipe.optimiser(network, Config(layer_decay=0.5, rate=1.0))
    recipe.set_rate(optimiser, 2.0)
    of = {id(p): group for group in optimiser.param_groups for p in group["params"]}
    assert len(of) == len(list(network.parameters()))
    assert of[id(network.fc.weight)]["lr"] == 2.0
    assert of[id(network.layer4[1].conv1.weight)]["lr"] == 1.0
    assert of[id(network.layer3[0].conv1.weight)]["lr"] == 0.5
    assert of[id(network.fc.weight)]["weight_decay"] == Config().decay
    assert of[id(network.fc.bias)]["weight_decay"] == 0
    assert of[id(network.bn1.weight)]["weight_decay"] == 0


def test_the_average_follows_closely_at_first_and_calmly_later() -> None:
    import torch

    from trainer.recipe import Average

    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    average = Average(network, 0.99)
    torch.nn.init.ones_(network.weight)
    average.follow(0)
    assert average.module.weight.item() == pytest.approx(0.9)
    average.follow(10_000)
    assert average.module.weight.item() == pytest.approx(0.901)
    assert Average(network, 0.0).module is network


def test_rare_classes_weigh_more_and_a_picture_one_on_average() -> None:
    from trainer.recipe import class_weights

    labels = [0] * 6 + [1] * 2 + [2] * 4
    weights = class_weights(labels)
    assert weights.tolist() == pytest.approx([2 / 3, 2.0, 1.0])
    assert sum(weights[label] for label in labels) / len(labels) == pytest.approx(1.0)


def test_the_loss_smooths_labels_and_weighs_classes() -> None:
    """By hand: scores log 6, log 3, log 1 are shares of 0.6, 0.3, 0.1."""
    import torch

    from trainer.augment import Seen
    from trainer.recipe import loss

    scores = torch.log(torch.tensor([[6.0, 3.0, 1.0], [6.0, 3.0, 1.0]]))
    losses = [-math.log(share) for share in (0.6, 0.3, 0.1)]
    seen = Seen(torch.empty(0), torch.tensor([0, 2]))
    plain = losses[0] + losses[2]
    assert loss(scores, seen, None, 0.0).item() == pytest.approx(plain)
    smooth = 0.7 * plain + 2 * 0.3 * sum(losses) / 3
    assert loss(scores, seen, None, 0.3).item() == pytest.approx(smooth)
    costs = torch.tensor([0.5, 1.0, 4.0])
    weighed = 0.5 * losses[0] + 4.0 * losses[2]
    assert loss(scores, seen, costs, 0.0).item() == pytest.approx(weighed)
    spread = sum(cost * each for cost, each in zip(costs.tolist(), losses, strict=True))
    both = 0.7 * weighed + 2 * 0.3 * spread / 3
    assert loss(scores, seen, costs, 0.3).item() == pytest.approx(both, rel=1e-6)
