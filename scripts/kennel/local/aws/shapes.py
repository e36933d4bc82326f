"""What botocore's models say of a request, checked as the service does before it looks at more."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from moto.sagemaker.exceptions import ValidationError


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def check(service: str, operation: str, request: dict[str, Any]) -> None:
    """Raise ValidationError, in AWS's words, for what a request must not be or lacks."""
    shape = model(service).operation_model(operation).input_shape
    faults = list(faults_of(shape, request, ""))
    if faults:
        many = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected"
        raise ValidationError(f"{many}: {'; '.join(faults)}")


def faults_of(shape: Any, value: Any, place: str) -> Iterator[str]:
    """Missing members, values outside their bounds; what is unknown, services ignore."""
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if value.get(name) is None:
                    yield fault(None, below(place, name), "Member must not be null")
            for name, member in shape.members.items():
                if value.get(name) is not None:
                    yield from faults_of(member, value[name], below(place, name))
        case "list":
            yield from length(shape, value, place)
            for number, each in enumerate(value, 1):
                yield from faults_of(shape.member, each, f"{place}.{number}.member")
        case "map":
            yield from length(shape, value, place)
            for key, each in value.items():
                yield from faults_of(shape.value, each, f"{place}.{key}.member")
        case "string":
            yield from text(shape, value, place)
        case "integer" | "long" | "float" | "double":
            yield from number_within(shape, value, place)


def text(shape: Any, value: str, place: str) -> Iterator[str]:
    yield from length(shape, value, place)
    if shape.enum and value not in shape.enum:
        yield fault(value, place, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not expression(pattern).fullmatch(value):
        yield fault(value, place, f"Member must satisfy regular expression pattern: {pattern}")


@cache
def expression(pattern: str) -> "re.Pattern[str]":
    """Of what Python's expressions do not have, such as Java's letter classes, we allow all."""
    try:
        return re.compile(pattern)
    except re.error:
        return re.compile(".*", re.DOTALL)


def length(shape: Any, value: Any, place: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        bound = f"Member must have length greater than or equal to {least}"
        yield fault(value, place, bound)
    if most is not None and len(value) > most:
        yield fault(value, place, f"Member must have length less than or equal to {most}")


def number_within(shape: Any, value: float, place: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield fault(value, place, f"Member must have value greater than or equal to {least}")
    if most is not None and value > most:
        yield fault(value, place, f"Member must have value less than or equal to {most}")


def below(place: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{place}.{name}" if place else name


def fault(value: Any, place: str, constraint: str) -> str:
    said = "null" if value is None else f"'{str(value)[:200]}'"
    return f"Value {said} at '{place}' failed to satisfy constraint: {constraint}"
