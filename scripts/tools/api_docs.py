"""docs/api.md, rendered from the API's OpenAPI description.

python scripts/tools/api_docs.py make
python scripts/tools/api_docs.py check
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "functions/invoke/openapi.yaml"
TARGET = ROOT / "docs/api.md"
HEAD = """\
# The API

Rendered from [openapi.yaml](../functions/invoke/openapi.yaml) by `scripts/tools/api_docs.py`; API
Gateway imports that file, and the local gateway holds requests against it.

{description}
Every answer names the request in `X-Request-Id`; errors are `application/problem+json` (RFC 9457)
and say in `detail` what is wrong and how to mend it.

```sh
curl --data-binary @dog.jpg -H 'Content-Type: image/jpeg' "$API/v1/predict?top=3"
curl --json '{{"url": "https://pictures.example/dog.jpg"}}' "$API/v1/predict"
```
"""
PREFLIGHT = """\
`OPTIONS` on both answers the preflight of browsers: `KENNEL_CORS_ORIGINS` names the pages that may
call.
"""

Json = dict[str, Any]


def resolved(document: Json, node: Json) -> Json:
    """What a reference stands for."""
    while "$ref" in node:
        step: Any = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            step = step[name]
        node = step
    return node


def render(document: Json) -> str:
    parts = [HEAD.format(description=document["info"]["description"])]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "options":
                parts.append(operation_text(document, f"{method.upper()} {path}", operation))
    parts.append(PREFLIGHT)
    parts.append(errors_text(document))
    return "\n".join(parts)


def operation_text(document: Json, title: str, operation: Json) -> str:
    lines = [f"## {title}", "", f"{operation['summary']}.", ""]
    if "description" in operation:
        lines += [operation["description"], ""]
    lines += parameters_text(operation.get("parameters", []))
    if "requestBody" in operation:
        lines += body_text(document, operation["requestBody"]["content"])
    answer = operation["responses"]["200"]
    example = answer["content"]["application/json"]["example"]
    lines += ["", f"Answer: {answer['description']}", "", *json_block(example)]
    return "\n".join(lines)


def parameters_text(parameters: list[Json]) -> list[str]:
    rows = [
        f"| `{each['name']}` | {each['description']} | {limits(each['schema'])} |"
        for each in parameters
    ]
    return ["| query | what it does | values |", "|---|---|---|", *rows, ""] if rows else []


def body_text(document: Json, content: Json) -> list[str]:
    pictures = [f"`{kind}`" for kind in content if kind.startswith("image/")]
    schema = resolved(document, content["application/json"]["schema"])
    lines = [f"Body: a picture ({', '.join(pictures)}), or `application/json` with one of", ""]
    lines += ["| field | what it holds | values |", "|---|---|---|"]
    for name, reference in schema["properties"].items():
        field = resolved(document, reference)
        lines.append(f"| `{name}` | {field['description']} | {limits(field)} |")
    return lines


WORDS = {
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "{}",
    "maxItems": "to {} items",
    "maxLength": "at most {} characters",
    "enum": "{}",
    "default": "else {}",
}


def limits(schema: Json) -> str:
    found = [text.format(schema[name]) for name, text in WORDS.items() if name in schema]
    return " ".join(found).replace("['", "").replace("']", "").replace("', '", " or ")


def errors_text(document: Json) -> str:
    lines = ["## Errors", "", "| status | when | for example |", "|---|---|---|"]
    for answer in document["components"]["responses"].values():
        for media in answer.get("content", {}).values():
            example = media["example"]
            row = f"| {example['status']} | {answer['description']} | {example['detail']} |"
            lines.append(row)
    example = document["components"]["responses"]["Unreadable"]
    body = example["content"]["application/problem+json"]["example"]
    return "\n".join([*lines, "", "Such an answer in full:", "", *json_block(body), ""])


def json_block(value: object) -> list[str]:
    return ["```json", json.dumps(value, indent=2), "```", ""]


def main(arguments: list[str]) -> int:
    text = render(yaml.safe_load(SOURCE.read_text()))
    match arguments:
        case ["make"]:
            TARGET.parent.mkdir(exist_ok=True)
            TARGET.write_text(text)
            return 0
        case ["check"]:
            if TARGET.exists() and TARGET.read_text() == text:
                return 0
            print("docs/api.md is not in step: run scripts/tools/api_docs.py make", file=sys.stderr)
            return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
