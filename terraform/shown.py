"""A state as others may see it: whole enough to plan from, without what is secret.

Whoever opens a pull request runs code in its plan, so its role may read no state: there the API
key lies open. It gets a copy in which each output and attribute that Terraform or its provider
calls sensitive is hidden.
"""

import copy
from typing import Any

State = dict[str, Any]
# Named besides: a state need not mark what the provider's schema alone calls sensitive, and that
# does not know that the usage plan repeats the key.
SECRET = {"aws_api_gateway_api_key": ("value",), "aws_api_gateway_usage_plan_key": ("value",)}


def shown(state: State) -> State:
    """The copy; the state itself stays as it is."""
    bare = copy.deepcopy(state)
    bare["outputs"] = {
        name: output | {"value": hidden(output["value"])} if output.get("sensitive") else output
        for name, output in bare.get("outputs", {}).items()
    }
    for resource in bare.get("resources", []):
        for instance in resource["instances"]:
            instance.pop("private", None)
            for name in SECRET.get(resource["type"], ()):
                instance["attributes"][name] = hidden(instance["attributes"][name])
            # The list itself stays: without it a plan marks them anew, and calls that a change.
            for path in instance.get("sensitive_attributes", []):
                blank(instance["attributes"], path)
    return bare


def hidden(value: Any) -> str | None:
    """A text remains one: for null the provider would plan to ask for the value anew."""
    return "(hidden)" if isinstance(value, str) else None


def blank(attributes: Any, path: list[dict[str, Any]]) -> None:
    """Hide what a path of Terraform's, of names and indices, leads to."""
    *way, last = [step["value"] for step in path]
    try:
        for name in way:
            attributes = attributes[key(name)]
        attributes[key(last)] = hidden(attributes[key(last)])
    except (IndexError, KeyError, TypeError):
        return  # there is nothing at this path


def key(step: Any) -> Any:
    """An index is written as an object of type and value, a name as it is."""
    return step["value"] if isinstance(step, dict) else step
