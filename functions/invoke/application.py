"""The API: parse, fetch, invoke, render. The two effects, fetch and invoke, are given to it."""

from typing import Any, Protocol

from invoke import answers, events, pictures, query, together, urls
from invoke.answers import Answer
from invoke.deadline import Deadline
from invoke.events import Request
from invoke.journal import Record, Say, say, timed
from invoke.problems import Problem
from invoke.query import Options, Query, Source, Url

SECONDS = 25.0  # below API Gateway's 29
RESERVE = 1.0  # of Lambda's time, to write the answer
# A grey PNG of 8 by 8: the model tells its name and classes by classifying something.
PROBE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000008000000080800000000e164e157000000104944415478da636c60"
    "800026068a180026080090b5310a910000000049454e44ae426082"
)


class Context(Protocol):
    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


class Fetch(Protocol):
    def __call__(self, url: str, deadline: Deadline) -> bytes: ...


class Invoke(Protocol):
    def __call__(
        self, picture: bytes, kind: str, options: Options, request_id: str, deadline: Deadline
    ) -> dict[str, Any]: ...


class Application:
    """Called with an event, as Lambda does it; answers in proxy form, whatever happens."""

    def __init__(
        self,
        endpoint: str,
        origins: tuple[str, ...],
        fetch: Fetch,
        invoke: Invoke,
        say: Say = say,
    ) -> None:
        self._endpoint = endpoint
        self._origins = origins
        self._fetch = fetch
        self._invoke = invoke
        self._say = say

    def __call__(self, event: object, context: Context) -> Answer:
        request_id = events.request_id_of(event, context.aws_request_id)
        left = context.get_remaining_time_in_millis() / 1000 - RESERVE
        record = Record(self._endpoint, request_id)
        headers = {"X-Request-Id": request_id}
        detail = "answered"
        try:
            request = events.read(event)
            headers |= answers.cors(self._origins, request.headers.get("origin"))
            answer = self._answer(request, headers, Deadline.after(min(SECONDS, left)), record)
        except Problem as problem:
            detail = problem.detail
            answer = answers.failure(problem, request_id, headers)
        except Exception:  # noqa: BLE001 - a fault of ours: the log has it, the caller its id
            record.failed()
            detail = "the function failed; its log holds the request id"
            answer = answers.failure(Problem(500, detail), request_id, headers)
        self._say(record.line(answer["statusCode"], detail))
        return answer

    def _answer(
        self, request: Request, headers: dict[str, str], deadline: Deadline, record: Record
    ) -> Answer:
        match request.resource, request.method:
            case "/v1/predict" | "/v1/model", "OPTIONS":
                return answers.preflight(headers)
            case "/v1/predict", "POST":
                return answers.success(
                    self._predict(query.parse(request), deadline, record), headers
                )
            case "/v1/model", "GET":
                return answers.success(self._model(deadline, record), headers)
        raise Problem(404, "there are POST /v1/predict and GET /v1/model")

    def _predict(self, asked: Query, deadline: Deadline, record: Record) -> object:
        def classify(numbered: tuple[int, Source]) -> dict[str, Any]:
            number, source = numbered
            picture = self._picture(source, deadline, record)
            item = f"{record.request_id}-{number}" if asked.listed else record.request_id
            return self._classified(picture, asked.options, item, deadline, record)

        outcomes = together.each(classify, list(enumerate(asked.sources)), deadline)
        if asked.listed:
            pairs = zip(asked.sources, outcomes, strict=True)
            return {"results": [result(*pair, record.request_id) for pair in pairs]}
        if isinstance(outcomes[0], Problem):
            raise outcomes[0]
        return outcomes[0]

    def _picture(self, source: Source, deadline: Deadline, record: Record) -> bytes:
        if isinstance(source, bytes):
            return source
        record.sources.append(urls.redacted(source.text))
        with timed(record.fetch):
            return self._fetch(source.text, deadline)

    def _classified(
        self, picture: bytes, options: Options, item: str, deadline: Deadline, record: Record
    ) -> dict[str, Any]:
        kind = pictures.content_type(picture)
        with timed(record.invoke):
            return self._invoke(picture, kind, options, item, deadline)

    def _model(self, deadline: Deadline, record: Record) -> object:
        """Name, version and number of classes, as the endpoint has them at this moment."""
        options = Options(top=1, logits=True)
        answer = self._classified(PROBE, options, record.request_id, deadline, record)
        try:
            name, version = answer["model"]["name"], answer["model"]["version"]
            return {"name": name, "version": version, "classes": len(answer["logits"])}
        except (KeyError, TypeError) as error:
            raise Problem(502, "the model does not say what it is") from error


def result(source: Source, outcome: dict[str, Any] | Problem, request_id: str) -> object:
    """One entry of the answer to a list of URLs."""
    url = source.text if isinstance(source, Url) else None
    if isinstance(outcome, Problem):
        return {"url": url, "status": outcome.status, "problem": outcome.body(request_id)}
    return {"url": url, "status": 200, "prediction": outcome}
