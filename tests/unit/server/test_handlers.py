"""Which functions make a handler, and which modules may hold them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from server import handlers
from server.classifier import Classifier
from server.errors import HandlerError, StartError
from server.handlers import Handler
from server.settings import Settings

MODEL = "def model_fn(model_dir): return 'model'\n"
PREDICT = "def predict_fn(data, model): return [model, data]\n"
CLASS = """
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
class {name}(DefaultInferenceHandler):
    def default_model_fn(self, model_dir, context=None): return "{name}"
    def default_predict_fn(self, data, model, context=None): return [model, data]
"""
Load = Callable[..., Handler]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a module of the given text, which lies in the image, or where it is told to lie."""

    def loaded(text: str, chosen: str = "", folder: Path = tmp_path / "image") -> Handler:
        name = f"handler_{uuid4().hex}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(folder)
        settings = replace(Settings.read({}), model=tmp_path / "ml/model")
        return handlers.load(replace(settings, handler=name + chosen))

    return loaded


def answer(handler: Handler) -> object:
    return handler.predict([handler.decode(handlers.Invocation(b"[1]", "application/json"))])[0][0]


def test_a_module_of_functions_stands_on_the_toolkit(load: Load) -> None:
    handler = load(MODEL + PREDICT)
    assert answer(handler) == "model"
    assert not handler.batches


def test_functions_of_the_module_come_before_those_of_its_class(load: Load) -> None:
    assert answer(load(CLASS.format(name="Mine"))) == "Mine"
    assert answer(load(MODEL + CLASS.format(name="Mine"))) == "model"


def test_batches_and_examples_of_ours_go_with_the_functions_that_they_belong_to(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classifier, "default_model_fn", lambda *_: "engine")
    classifier = "from server.classifier import Classifier\nclass Mine(Classifier):\n    "
    method = "def default_predict_fn(self, data, model, context=None): return 'mine'\n"
    assert load("def output_fn(prediction, accept): return ''\n").batches
    assert not load(PREDICT).batches
    assert not load(classifier + method).batches
    assert load(classifier + "pass\n").batches
    assert load(classifier + method).example is None
    assert load(MODEL + PREDICT + "def example_fn(model): return 1\n").example[0] == 1  # type: ignore[index]
    assert load(MODEL + PREDICT + "def predict_batch_fn(data, model): return data\n").batches


@pytest.mark.parametrize("queues", [True, False])
def test_only_our_own_predicting_on_an_engine_that_queues_is_called_ahead(
    load: Load, monkeypatch: pytest.MonkeyPatch, *, queues: bool
) -> None:
    monkeypatch.setattr(Classifier, "default_model_fn", lambda *_: "engine")
    monkeypatch.setattr(Classifier, "queues", queues)
    assert load("def output_fn(prediction, accept): return ''\n").queues is queues
    assert not load(PREDICT).queues
    assert not load("def predict_batch_fn(data, model): return data\n").queues
    assert not load(MODEL + PREDICT).queues


def test_of_several_classes_one_must_be_named(load: Load) -> None:
    two = CLASS.format(name="One") + CLASS.format(name="Two")
    with pytest.raises(StartError, match=r"name a handler class of the module: .*:One or .*:Two"):
        load(two)
    assert answer(load(two, ":Two")) == "Two"


def test_the_model_is_warmed_up_before_it_is_asked(load: Load) -> None:
    handler = load(
        "def model_fn(folder): return []\n"
        "def model_warmup_fn(folder, model): model.append('warm')\n"
        "def predict_fn(data, model): return model\n"
    )
    assert answer(handler) == "warm"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MODEL, "has no predict_fn"),
        (CLASS.format(name="A").replace("default_model_fn", "other"), "has no model_fn"),
        (PREDICT + "def model_fn(): return 1\n", "model_fn of the handler takes 0 arguments"),
        (MODEL + "async def predict_fn(data, model): return 1\n", "predict_fn .* is async"),
        (MODEL + PREDICT + "def transform_fn(m, d, c, a): return 1\n", "transform_fn"),
    ],
)
def test_a_handler_that_cannot_work_is_refused_at_the_start(
    load: Load, text: str, message: str
) -> None:
    with pytest.raises(StartError, match=message):
        load(text)


@pytest.mark.parametrize("text", ["1 / 0\n", PREDICT + "def model_fn(folder): return 1 / 0\n"])
def test_a_handler_that_fails_to_load_is_named_with_its_error(load: Load, text: str) -> None:
    with pytest.raises(HandlerError, match=r"handler handler_\w+: ZeroDivisionError"):
        load(text)


def test_code_in_the_model_folder_is_never_run(load: Load, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for folder in (tmp_path / "ml/model", tmp_path / "ml/model/code"):
        with pytest.raises(StartError, match="put it in the image"):
            load(f"import os; os.mkdir({str(trace)!r})\n" + MODEL + PREDICT, "", folder)
        assert not trace.exists()


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(StartError, match="KENNEL_HANDLER is 'missing_module': no such module"):
        handlers.load(replace(Settings.read({}), handler="missing_module"))
