"""How help pages show values: `N` and `DIR` instead of the parser's types, for every option of every command."""

from __future__ import annotations

from typing import Any

HELP_NAMES = ["-h", "--help"]


def examples(*lines: str) -> str:
    """Write commands as the end of a help page, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def with_value_names(command: Any) -> Any:
    """Name the values of a typer command's options and arguments, and of the commands below it."""
    for inner in getattr(command, "commands", {}).values():
        with_value_names(inner)
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            # its name says all; newer versions of typer print the parser's type behind it
            parameter.display_type_rich = _no_type
            # the usage line puts brackets around what may be left out, and dots behind what may be repeated
            parameter.metavar = parameter.metavar and parameter.metavar.strip("[].")
        elif not parameter.is_flag and parameter.metavar is None:
            parameter.metavar = value_name(parameter)
    return command


def value_name(option: Any) -> str:
    """Name the kind of value; typer keeps it in `type_descriptor`, and did in `type` while it was built on click."""
    described = getattr(option, "type_descriptor", None)
    if described is not None and described.choices:
        return "|".join(str(getattr(choice, "value", choice)) for choice in described.choices)
    kind = str(described.annotation) if described is not None else option.type.name
    known = (("int", "N"), ("float", "X"), ("Path", "FILE"), ("path", "FILE"))
    return next((name for part, name in known if part in kind), "TEXT")


def _no_type(*_: Any, **__: Any) -> None:
    return None
