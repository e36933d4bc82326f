"""What happens to a training picture: the draws decide, and nothing else."""

from typing import Any

import pytest


def views(world_size: int = 1, rank: int = 0, **settings: Any) -> Any:
    """Of ten pictures of noise, of which this process has its share."""
    import torch

    from trainer.config import Config
    from trainer.pictures import Kept
    from trainer.share import Share
    from trainer.views import PictureViews
    from trainer.world import World

    config = Config(**{"size": 32, "resize": 40} | settings)
    world = World(rank=rank, size=world_size, local_rank=0, local_size=1, node=0)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (10, 40, 40, 3), generator=generator, dtype=torch.uint8)
    labels = torch.arange(10)
    share = Share(Kept(pixels[rank::world_size]), labels[rank::world_size], total=10)
    return PictureViews(share, share, world, config)


EVERYTHING = {"crop": 0.3, "colour": 0.4, "erase": 0.5}


@pytest.mark.parametrize("settings", [{}, EVERYTHING])
def test_a_picture_looks_the_same_in_whatever_process_and_batch_it_is(
    settings: dict[str, float],
) -> None:
    import torch

    rows = torch.arange(10)
    alone = views(**settings)
    alone.turn(3, rows)
    whole = alone.of_train(rows).inputs
    for rank in range(3):
        each = views(3, rank, **settings)
        mine = torch.arange(len(each.train.labels))
        each.turn(3, mine)
        for row in mine:
            seen = each.of_train(row[None]).inputs[0]
            assert torch.equal(seen, whole[row * 3 + rank])


@pytest.mark.parametrize("setting", ["crop", "colour", "erase", "mixup", "cutmix"])
def test_each_change_differs_by_picture_and_epoch_and_stays_within_bounds(setting: str) -> None:
    import torch

    rows, value = torch.arange(10), {"crop": 0.3, "colour": 0.4, "erase": 1.0}.get(setting, 1.0)
    plain, changed = views(), views(**{setting: value})
    seen = []
    for epoch in (0, 1):
        plain.turn(epoch, rows)
        changed.turn(epoch, rows)
        before, after = plain.of_train(rows).inputs, changed.of_train(rows).inputs
        assert before.shape == after.shape == (10, 3, 32, 32)
        assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        assert after.min() >= before.min() - 1e-4
        assert after.max() <= max(before.max(), torch.tensor(2.65)) + 1e-4
        seen.append(after)
    assert not torch.equal(*seen)


def test_a_cut_of_the_whole_picture_is_the_picture() -> None:
    import torch

    from trainer import augment
    from trainer.config import Config

    pixels = torch.randint(256, (2, 40, 40, 3), dtype=torch.uint8)
    config = Config(size=40, resize=40, crop=0.999999)
    draws = augment.Draws.of_epoch(config, 2, 0)
    draws.chances[: len(augment.KINDS)] = 0.5
    draws.places[2] = torch.tensor([0, 1])
    cut = augment.stretched(pixels, draws, config)
    assert torch.allclose(cut[0], pixels[0].float(), atol=0.1)
    assert torch.allclose(cut[1], pixels[1].flip(1).float(), atol=0.1)


def test_without_mirroring_no_picture_is_mirrored() -> None:
    assert not views(flip=False).draws.places[2].any()
    assert views().draws.places[2].any()


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixed_pictures_answer_for_both_by_their_shares(mixup: float, cutmix: float) -> None:
    import torch

    from trainer import augment
    from trainer.config import Config

    config = Config(size=32, resize=40, mixup=mixup, cutmix=cutmix)
    inputs = torch.arange(10.0)[:, None, None, None].expand(10, 3, 32, 32)
    draws = augment.Draws.of_epoch(config, 10, 0)
    seen = augment.mixed(inputs, torch.arange(10), draws, config)
    assert seen.others is not None
    assert seen.shares is not None
    assert torch.equal(seen.others, torch.arange(9, -1, -1))
    expected = seen.shares * seen.labels + (1 - seen.shares) * seen.others
    assert torch.allclose(seen.inputs.mean((1, 2, 3)), expected, atol=1e-3)


def test_the_loss_of_a_mixed_picture_is_the_mean_over_its_two_labels() -> None:
    import torch

    from trainer import recipe
    from trainer.augment import Seen

    scores = torch.randn(4, 3)
    one, two = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 2, 1, 1])
    costs = torch.tensor([1.0, 2.0, 0.5])

    def loss(seen: Seen) -> float:
        return float(recipe.loss(scores, seen, costs, 0.1))

    half = torch.full((4,), 0.5)
    expected = (loss(Seen(scores, one)) + loss(Seen(scores, two))) / 2
    assert loss(Seen(scores, one, two, half)) == pytest.approx(expected)


def test_pictures_grow_to_their_size_over_two_thirds_of_the_epochs() -> None:
    import torch

    from trainer.augment import side_at
    from trainer.config import Config

    config = Config(size=224, start_size=128, epochs=9)
    sides = [side_at(config, epoch) for epoch in range(9)]
    assert sides == [128, 128, 160, 160, 192, 192, 224, 224, 224]
    assert side_at(Config(size=200, start_size=0), 0) == 200
    small = views(size=40, start_size=32).of_train(torch.arange(2))
    assert small.inputs.shape == (2, 3, 32, 32)


@pytest.mark.parametrize(("flip", "columns"), [(0, [2, 3]), (1, [3, 2])])
def test_a_cut_is_this_square_and_its_mirror_image_swaps_left_and_right(
    flip: int, columns: list[int]
) -> None:
    import torch

    from trainer import model

    picture = torch.arange(1 * 4 * 5 * 3, dtype=torch.uint8).reshape(1, 4, 5, 3)
    cut = model.cut_at(picture, torch.tensor([[1], [2], [flip]]), 2)
    expected = [[picture[0, row, column].tolist() for column in columns] for row in (1, 2)]
    assert cut[0].tolist() == expected


def test_a_gpu_cuts_all_at_once_what_a_cpu_cuts_one_by_one() -> None:
    import torch

    from trainer import model

    generator = torch.Generator().manual_seed(1)
    pictures = torch.randint(256, (9, 12, 12, 3), dtype=torch.uint8, generator=generator)
    places = torch.randint(5, (3, 9), generator=generator) % torch.tensor([[5], [5], [2]])
    assert torch.equal(model.gathered(pictures, places, 8), model.cut_at(pictures, places, 8))


def test_features_are_computed_once_a_view_and_epochs_take_the_views_in_turn() -> None:
    import torch

    from trainer.views import FeatureViews

    sizes: list[int] = []

    def backbone(inputs: torch.Tensor) -> torch.Tensor:
        sizes.append(len(inputs))
        return inputs.flatten(1)

    pictures = views(regime="head", views=2)
    features = FeatureViews(backbone, pictures)
    assert sizes == [10, 10, 10]  # two views of train, and valid
    rows = torch.tensor([7, 2])
    seen = []
    for epoch in range(4):
        features.turn(epoch, rows)
        seen.append(features.of_train(rows))
    assert sizes == [10, 10, 10]
    assert seen[0].labels.tolist() == [7, 2]
    for epoch in (0, 1):
        pictures.turn(epoch, rows)
        expected = pictures.of_train(rows).inputs.flatten(1)
        assert torch.equal(seen[epoch].inputs, expected)
        assert torch.equal(seen[epoch + 2].inputs, expected)
    assert not torch.equal(seen[0].inputs, seen[1].inputs)
    assert torch.equal(features.of_valid(slice(3, 5)), pictures.of_valid(slice(3, 5)).flatten(1))
