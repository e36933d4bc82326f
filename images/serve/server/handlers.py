"""Four functions around a model, in the form that SageMaker's users know: ours, or a user's.

    model_fn(model_dir) -> model                what a start costs
    input_fn(body, content_type) -> data        in the decode pool
    predict_fn(data, model) -> prediction       on the engine's thread, one request at a time
    output_fn(prediction, accept) -> body       or (body, content_type)

A module may hold any of them; each may take a `context` as its last argument. Those it lacks come
from the class in it that inherits from sagemaker_inference's DefaultInferenceHandler. Without such
a class they come from the toolkit, if the module has a model_fn, or else from our classifier.

What the toolkit does not have: predict_batch_fn(list of data, model) gets what waits, together;
example_fn(model) gives data with which `/ping` can ask the engine itself.
"""

import importlib
import importlib.util
import inspect
import io
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse
from sagemaker_inference import content_types, decoder
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler

from server.classifier import Classifier
from server.errors import HandlerError, Invalid, StartError, TooLarge
from server.invocation import Context, Invocation, Reply
from server.settings import Settings

MOST_UNPACKED = 256 * 1024 * 1024  # bytes of a compressed body
Function = Callable[..., Any]
Decoded = tuple[Any, Context]


class Handler:
    """The functions with their model, as the pipeline calls them."""

    def __init__(self, base: DefaultInferenceHandler, module: ModuleType | None, folder: Path):
        self.base = base
        self._module = module
        model_fn = self._required("model_fn", 1)
        self._input = self._required("input_fn", 2)
        self._predict = self._required("predict_fn", 2)
        self._output = self._required("output_fn", 2)
        if self._has("transform_fn"):
            raise StartError(
                "the handler has a transform_fn: write input_fn, predict_fn and output_fn instead, "
                "so that reading one request can overlap with predicting another"
            )
        self._predict_batch = self._beside("predict_batch_fn", "predict_fn")
        output_fn = getattr(self._find("output_fn"), "__func__", None)
        # Of ours it is known; a user's may take its time.
        self.encodes_at_once = output_fn is Classifier.default_output_fn
        self._takes_text = not isinstance(base, Classifier) or self._has("input_fn")
        context = Context({}, str(folder))
        self._model = model_fn(str(folder), context)
        predict_fn = getattr(self._predict_batch, "__func__", None)
        self.queues = predict_fn is Classifier.default_predict_batch_fn and self.base.queues
        if warm_up := self._find("model_warmup_fn"):
            takes_context(warm_up, 2)(str(folder), self._model, context)

    @property
    def facts(self) -> dict[str, str]:
        """For the log: whose handler it is, and of ours what it runs."""
        name = self._module.__name__ if self._module else type(self.base).__name__
        return {"handler": name} | getattr(self.base, "facts", {})

    @property
    def batches(self) -> bool:
        return self._predict_batch is not None

    @property
    def example(self) -> Decoded | None:
        """Something to ask the engine with, where it is known what the engine takes."""
        example_fn = self._beside("example_fn", "input_fn", "predict_fn")
        return (example_fn(self._model), Context({})) if example_fn else None

    def decode(self, invocation: Invocation) -> Decoded:
        content: bytes | str = invocation.content
        try:
            if self._takes_text and invocation.content_type in content_types.UTF8_TYPES:
                content = invocation.content.decode()
            data = self._input(content, invocation.content_type, invocation.context)
        except (ValueError, RecursionError) as error:
            kind = invocation.content_type or "what is expected"
            raise Invalid(f"the body cannot be read as {kind[:100]}") from error
        return data, invocation.context

    def predict(self, items: Sequence[Decoded]) -> Sequence[Any]:
        if self._predict_batch:
            predictions: Sequence[Any] = self._predict_batch([i[0] for i in items], self._model)
            return predictions
        return [self._predict(data, self._model, context) for data, context in items]

    def encode(self, prediction: object, invocation: Invocation) -> Reply:
        answer = self._output(prediction, invocation.accept, invocation.context)
        content, kind = answer if isinstance(answer, tuple) else (answer, invocation.accept)
        if isinstance(content, str):
            content = content.encode()
        if not isinstance(content, bytes):
            raise TypeError(f"output_fn gave {type(content).__name__}: it must give str or bytes")
        return Reply(content, kind)

    def _has(self, name: str) -> bool:
        return hasattr(self._module, name)

    def _find(self, name: str) -> Function | None:
        function = getattr(self._module, name, None) or getattr(self.base, f"default_{name}", None)
        if inspect.iscoroutinefunction(function):
            raise StartError(f"{name} of the handler is async: it must be a plain function")
        return function

    def _required(self, name: str, arguments: int) -> Function:
        function = self._find(name)
        if function is None or unwritten(function):
            raise StartError(f"the handler has no {name}: write one in its module or its class")
        return takes_context(function, arguments)

    def _beside(self, name: str, *functions: str) -> Function | None:
        """One of our additions, unless whoever replaced a function that it belongs to left it."""
        replaced = min(map(self._layer, functions))
        return self._find(name) if self._layer(name) <= replaced else None

    def _layer(self, name: str) -> int:
        """How near to the user it is: in the module, its class, what that inherits from."""
        classes = enumerate(type(self.base).__mro__, start=1)
        owners = (number for number, each in classes if f"default_{name}" in vars(each))
        return 0 if self._has(name) else next(owners, sys.maxsize)


def unwritten(function: Function) -> bool:
    """The toolkit's stand-ins for what each handler must have."""
    stand_ins = DefaultInferenceHandler.default_model_fn, DefaultInferenceHandler.default_predict_fn
    return getattr(function, "__func__", function) in stand_ins


def takes_context(function: Function, arguments: int) -> Function:
    """The function with a context as its last argument, which it need not take."""
    count = len(inspect.signature(function).parameters)
    if count == arguments + 1:
        return function
    if count == arguments:
        return lambda *given: function(*given[:-1])
    name = getattr(function, "__name__", "a function")
    raise StartError(f"{name} of the handler takes {count} arguments: it must take {arguments}")


def load(settings: Settings) -> Handler:
    if not settings.handler:
        return Handler(Classifier(settings), None, settings.model)
    make_toolkit_safe()
    name, _, chosen = settings.handler.partition(":")
    try:
        module = imported(name.removesuffix(".py"), settings.model.parent)
        return Handler(base_of(module, chosen, settings), module, settings.model)
    except StartError:
        raise
    except Exception as error:
        raise HandlerError(f"handler {settings.handler}: {error!r}") from error


def imported(name: str, data: Path) -> ModuleType:
    """The module of that name, from the image: a model folder holds data, never code."""
    package = name.partition(".")[0]
    spec = importlib.util.find_spec(package) if package else None
    if spec is None:
        raise StartError(f"KENNEL_HANDLER is {name!r}: no such module; put it in /opt/kennel/app")
    for place in [spec.origin or "", *(spec.submodule_search_locations or ())]:
        if Path(place).resolve().is_relative_to(data.resolve()):
            raise StartError(f"KENNEL_HANDLER is {name!r}, which is in {data}: put it in the image")
    return importlib.import_module(name)


def base_of(module: ModuleType, chosen: str, settings: Settings) -> DefaultInferenceHandler:
    classes = {
        name: each
        for name, each in vars(module).items()
        if isinstance(each, type)
        and issubclass(each, DefaultInferenceHandler)
        and each.__module__ == module.__name__
    }
    if chosen or len(classes) > 1:
        if chosen not in classes:
            known = " or ".join(f"{module.__name__}:{name}" for name in classes) or "none"
            raise StartError(f"KENNEL_HANDLER must name a handler class of the module: {known}")
        return classes[chosen]()
    if classes:
        return next(iter(classes.values()))()
    return DefaultInferenceHandler() if hasattr(module, "model_fn") else Classifier(settings)


def make_toolkit_safe() -> None:
    """Let no request run code or fill the memory: the toolkit reads NPY with pickles allowed."""
    decoder._decoder_map |= {content_types.NPY: npy, content_types.NPZ: npz}


def npy(content: bytes) -> object:
    return np.load(io.BytesIO(content))  # which by itself refuses them


def npz(content: bytes) -> object:
    try:
        unpacked = sum(part.file_size for part in zipfile.ZipFile(io.BytesIO(content)).infolist())
        if unpacked > MOST_UNPACKED:
            raise TooLarge(f"the body unpacks to {unpacked} bytes; at most {MOST_UNPACKED}")
        return scipy.sparse.load_npz(io.BytesIO(content))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, KeyError) as error:
        raise ValueError("not NPZ") from error
