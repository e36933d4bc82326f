"""The tables of variables and outputs in the modules' READMEs.

    python -m tests.terraform.tables    # write them anew

A table starts at the line `| variable |` and is the end of its README.
"""

import re
from pathlib import Path

TERRAFORM = Path(__file__).parents[2] / "terraform"
MODULES = sorted(path.parent for path in TERRAFORM.glob("modules/*/versions.tf"))
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def declared(module: Path) -> dict[str, dict[str, str]]:
    """The text of each variable and output by its name, in alphabetical order."""
    code = "".join(path.read_text() for path in sorted(module.glob("*.tf")))
    found: dict[str, dict[str, str]] = {"variable": {}, "output": {}}
    for kind, name, text in sorted(BLOCK.findall(code)):
        found[kind][name] = text
    return found


def argument(name: str, text: str) -> str | None:
    match = re.search(rf"^  {name} += (.+)$", text, re.MULTILINE)
    return match[1] if match else None


def described(text: str) -> str:
    return (argument("description", text) or "").strip('"')


def default(text: str) -> str:
    value = argument("default", text)
    return f"`{value}`" if value else "required"


def tables(module: Path) -> str:
    blocks = declared(module)
    lines = ["| variable | what it is | default |", "| --- | --- | --- |"]
    for name, text in blocks["variable"].items():
        lines.append(f"| `{name}` | {described(text)} | {default(text)} |")
    lines += ["", "| output | what it is |", "| --- | --- |"]
    lines += [f"| `{name}` | {described(text)} |" for name, text in blocks["output"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    for module in MODULES:
        readme = module / "README.md"
        readme.write_text(readme.read_text().split("| variable |")[0] + tables(module))


if __name__ == "__main__":
    main()
