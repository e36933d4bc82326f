"""Networks: any of torchvision's, held to the settings before a picture is looked at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trainer import paths
from trainer.config import Config
from trainer.errors import TrainingError

if TYPE_CHECKING:
    from trainer.world import World

FAMILIES = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s"),
    *("googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small"),
    *("regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnext50_32x4d", "shufflenet_v2_x0_5"),
    *("squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_16", "wide_resnet50_2"),
]


def save(folder: Path, architecture: str, **options: Any) -> dict[str, Any]:
    """Weights of torchvision's own making in the channel `pretrained`."""
    import torchvision
    from safetensors.torch import save_file

    network = torchvision.models.get_model(architecture, weights=None, **options)
    (folder / "pretrained").mkdir(parents=True)
    save_file(network.state_dict(), folder / "pretrained/start.safetensors")
    return dict(network.state_dict())


@pytest.fixture
def channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "CHANNELS", tmp_path / "data")
    return tmp_path / "data"


def test_the_last_layer_of_every_architecture_is_known_for_the_one_that_has_the_classes() -> None:
    import torchvision

    from trainer import model, pretrained

    known = torchvision.models.list_models(module=torchvision.models)
    assert len(known) >= 80
    for architecture in known:
        names = model.sketch(Config(architecture=architecture)).state_dict()
        last = pretrained.last_layer(names)
        assert {name for name in names if name.startswith(last)} <= {f"{last}weight", f"{last}bias"}
        assert names[f"{last}weight"].shape[0] == 2, architecture


@pytest.mark.parametrize("architecture", FAMILIES)
def test_each_family_answers_with_a_score_a_class_in_training_too(architecture: str) -> None:
    import torch

    from trainer import model

    network = model.sketch(Config(architecture=architecture))
    side = 299 if architecture == "inception_v3" else 224
    assert network.train()(torch.empty(2, 3, side, side, device="meta")).shape == (2, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "resnet51"}, "architecture is 'resnet51', which torchvision lacks: did"),
        ({"architecture": "vit_b_16", "size": 64}, "size is 64, which vit_b_16 cannot take"),
        ({"architecture": "inception_v3", "start_size": 32}, "start_size is 32, which inception"),
        ({"architecture": "squeezenet1_1", "regime": "head"}, "regime is 'head', but the archit"),
        ({"compile": True}, r"compile is true, which needs a C\+\+ compiler"),
        ({"weights": "channel"}, "pretrained holds 0 safetensors files"),
        ({"batch": 3, "accumulate": 2}, "batch is 3: it leaves fewer than 2 pictures a step"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_before_there_are_pictures(
    alone: "World",
    channels: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    message: str,
) -> None:
    from trainer import job

    def opened(*_: object) -> None:
        pytest.fail("the data was opened")

    monkeypatch.setattr("trainer.channels.found", opened)
    monkeypatch.setattr("shutil.which", lambda _: None)
    channels.mkdir()
    with pytest.raises(TrainingError, match=message):
        job.prepare(Config(**settings), alone)


@pytest.mark.parametrize(
    ("theirs", "mine", "fault"),
    [
        ("resnet18", "resnet34", "is missing or of another shape"),
        ("resnet34", "resnet18", "is more"),
        ("mobilenet_v2", "shufflenet_v2_x0_5", "is missing"),
    ],
)
def test_weights_of_another_architecture_are_refused(
    channels: Path, theirs: str, mine: str, fault: str
) -> None:
    from trainer import model

    save(channels, theirs)
    with pytest.raises(TrainingError, match=f"architecture says: .* {fault}"):
        model.check(Config(architecture=mine, weights="channel"))


def test_what_is_not_taken_of_the_weights_is_told(channels: Path) -> None:
    import torch

    from trainer import model, pretrained

    given = save(channels, "googlenet", init_weights=False)
    config = Config(architecture="googlenet", weights="channel")
    network = model.build(config, 3, model.check(config))
    mine = network.state_dict()
    assert all(torch.equal(mine[name], given[name]) for name in mine if not name.startswith("fc."))
    taken = pretrained.fitting(mine, given)
    assert pretrained.left_out(given, taken) == "aux1,aux2,fc.weight,fc.bias"
    assert pretrained.left_out(mine, pretrained.fitting(mine, mine)) == "none"
    # As torchvision does for the weights that it publishes.
    assert network.get_submodule("").transform_input
    assert not model.build(Config(architecture="googlenet"), 3, {}).transform_input


def test_a_file_cut_short_is_named(channels: Path) -> None:
    from trainer import model

    save(channels, "shufflenet_v2_x0_5")
    path = channels / "pretrained/start.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TrainingError, match=r"start\.safetensors is not a whole safetensors file"):
        model.check(Config(architecture="shufflenet_v2_x0_5", weights="channel"))


@pytest.fixture
def torchvisions_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What torchvision believes to be DenseNet's published file: with names of an older time."""
    import hashlib
    from dataclasses import replace

    import torch
    from torchvision.models import DenseNet121_Weights, get_model

    torch.manual_seed(0)
    state = get_model("densenet121").state_dict()
    old = {name.replace(".norm1.", ".norm.1."): value for name, value in state.items()}
    old = {name: value for name, value in old.items() if "num_batches" not in name}
    torch.save(old, tmp_path / "file")
    digest = hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()[:8]
    path = (tmp_path / "file").rename(tmp_path / f"densenet-{digest}.pth")
    weights = DenseNet121_Weights.DEFAULT
    monkeypatch.setattr(weights, "_value_", replace(weights.value, url=path.as_uri()))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return path


def test_torchvisions_weights_are_taken_as_torchvision_takes_them(torchvisions_file: Path) -> None:
    import torch

    from trainer import model

    config = Config(architecture="densenet121", weights="imagenet")
    network = model.build(config, 3, model.check(config))
    published = torch.load(torchvisions_file)
    own = network.state_dict()["features.denseblock1.denselayer1.norm1.running_var"]
    assert torch.equal(own, published["features.denseblock1.denselayer1.norm.1.running_var"])


def test_without_a_network_the_way_around_is_told(torchvisions_file: Path) -> None:
    from trainer import model

    torchvisions_file.unlink()
    with pytest.raises(TrainingError) as error:
        model.check(Config(architecture="densenet121", weights="imagenet"))
    assert f"{torchvisions_file.as_uri()} cannot be downloaded" in str(error.value)
    assert "in the channel `pretrained` and set weights to channel" in str(error.value)


@pytest.mark.usefixtures("alone")
def test_a_translated_network_answers_as_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    import torch._inductor.config as inductor

    from trainer import model

    # Else it compiles a program for each set of vector instructions, to see whether it runs.
    monkeypatch.setattr(inductor.cpp, "vec_isa_ok", True)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    inputs = torch.randn(3, 4)
    translated = model.parallel(network, Config(compile=True))
    assert torch.allclose(translated(inputs), network(inputs), atol=1e-6)
    translated(inputs).sum().backward()
    assert network[0].weight.grad is not None


def test_to_translate_for_a_gpu_more_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer import model

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(TrainingError, match="compile is true, which needs triton, and there is"):
        model.check_compiler()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: "found")
    model.check_compiler()


def test_published_weights_for_other_pictures_are_refused_before_they_are_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torchvision

    from trainer import pretrained

    def get_model(name: str, **_: str) -> None:
        raise OSError(f"{name} is fetched")

    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    said = {}
    for architecture in torchvision.models.list_models(module=torchvision.models):
        with pytest.raises(TrainingError) as error:
            pretrained.published(architecture)
        if "is fetched" not in str(error.value):
            said[architecture] = str(error.value)
    assert said.keys() == {"efficientnet_v2_l", "vit_h_14"}
    assert "normalised otherwise: take another architecture" in said["efficientnet_v2_l"]
    assert "are for pictures of 518 px, the network for 224: " in said["vit_h_14"]
