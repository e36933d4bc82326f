# ruff: noqa: ARG002
"""A handler class that does what it is told to, good or bad."""

import os
import time
from typing import Any

from sagemaker_inference import content_types, errors
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler


class Moody(DefaultInferenceHandler):  # type: ignore[misc] # the toolkit has no types
    def default_model_fn(self, model_dir: str, context: Any = None) -> str:
        return f"model of {os.path.basename(model_dir)}"  # noqa: PTH119

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> str:
        if content_type != content_types.JSON:
            raise errors.UnsupportedFormatError(content_type)
        assert isinstance(input_data, str)
        return input_data.strip('"')

    def default_predict_fn(self, data: str, model: str, context: Any = None) -> str:
        match data:
            case "raise":
                raise RuntimeError("secret of the handler")
            case "refuse":
                raise errors.BaseInferenceToolkitError(422, "no such mood", "no such mood")
            case "abort":
                os.abort()
            case "hang":
                print("it hangs", flush=True)
                time.sleep(3600)
        return f"{model}: {data}"

    def default_output_fn(self, prediction: str, accept: str, context: Any = None) -> Any:
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "mood=fine")
        wanted = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
        return (prediction, "text/plain") if wanted == "plain" else prediction.encode()
