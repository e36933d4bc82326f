"""One request as handlers see it, and their answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class Context:
    """What a handler's function is given as `context`, if it takes one, by the names it had there.

    There was: in the model servers for which such handlers were written. The number that many of
    the methods take is that of a request in a batch; here it is always one.
    """

    def __init__(self, headers: Mapping[str, str], model_folder: str = "") -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}
        self.system_properties = {"model_dir": model_folder}
        self.request_processor = [self]
        self.response_headers: dict[str, str] = {}

    def get_request_properties(self) -> Mapping[str, str]:
        return self._headers

    def get_request_header(self, number: int, name: str) -> str | None:  # noqa: ARG002
        return self._headers.get(name.lower())

    def set_response_header(self, number: int, name: str, value: str) -> None:  # noqa: ARG002
        self.response_headers[name] = value

    def set_response_content_type(self, number: int, value: str) -> None:
        self.set_response_header(number, "Content-Type", value)


@dataclass(frozen=True)
class Invocation:
    content: bytes
    content_type: str = ""
    accept: str = "application/json"
    context: Context = field(default_factory=lambda: Context({}))


@dataclass(frozen=True)
class Reply:
    content: bytes
    content_type: str
