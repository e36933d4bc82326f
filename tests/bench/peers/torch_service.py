"""What users of SageMaker's toolkit write: the four functions, on a torch model."""

import io
import json
import os

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

CLASSES = 5
PREPARE = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


def model_fn(_: str, __: object = None) -> torch.nn.Module:
    network = torchvision.models.resnet50(num_classes=CLASSES)
    network.load_state_dict(load_file(os.environ["BENCH_WEIGHTS"]))
    return network.eval()


def input_fn(body: bytes, _: str, __: object = None) -> torch.Tensor:
    return PREPARE(Image.open(io.BytesIO(body)).convert("RGB"))[None]


@torch.inference_mode()
def predict_fn(pictures: torch.Tensor, network: torch.nn.Module, _: object = None) -> torch.Tensor:
    return torch.softmax(network(pictures), 1)


def output_fn(probabilities: torch.Tensor, _: str, __: object = None) -> str:
    values, places = probabilities[0].topk(5)
    return json.dumps(dict(zip(places.tolist(), values.tolist(), strict=True)))
