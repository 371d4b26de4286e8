"""A command made from dataclasses: each described field of theirs is an option (:mod:`vestige.options`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import MISSING, Field, fields
from functools import partial
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from vestige.cli.parts import Machines
from vestige.errors import VestigeError, choice
from vestige.extraction import ExtractOptions
from vestige.options import UNSET, Described

Made = TypeVar("Made")

_EMPTY = inspect.Parameter.empty

_PYTHON_ONLY = ("Dataset",)
"""Types that no word on the command line is of, and that are not imported to make it."""


def command_of(
    run: Callable[..., None],
    kinds: Iterable[type],
    doc: str,
    without: Collection[str] = (),
) -> Callable[..., None]:
    """A function for typer whose parameters are the described fields of some dataclasses.

    Fields of one name in several of them are one option. Where one says how features are computed, or is `Machines`,
    the command takes the address of the machines that share the work, too, and runs with them.

    Args:
        run: called with one of each but `Machines`.
        kinds: the dataclasses.
        doc: what help says of the command.
        without: names of fields that are no options of this command.
    """
    given_kinds = tuple(kinds)
    kinds = tuple(kind for kind in given_kinds if kind is not Machines)
    computes = ExtractOptions in kinds and not {"device", "ray"} & set(without)
    shared = (Machines,) if computes or Machines in given_kinds else ()
    told = {
        each.name: (each, about, hint)
        for kind in (*kinds, *shared)
        for each, about, hint in _described(kind)
        if each.name not in without
    }
    ordered = sorted(told.values(), key=lambda one: (_default(*one[:2]) is not MISSING, one[1].last))
    parameters = [parameter for one in ordered for parameter in _parameters(*one)]

    def command(**given: Any) -> None:
        values = {each.name: value for each, about, _ in ordered if (value := _value(about, each, given)) is not UNSET}
        made = [_made(kind, values) for kind in (*kinds, *shared)]
        if not shared:
            run(*made)
            return
        *made, machines = made
        with nullcontext() if values.get("dry_run") else machines.used():
            run(*made)

    command.__doc__ = doc
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _made(kind: type[Made], values: Mapping[str, Any]) -> Made:
    """A dataclass of the values that are its fields'."""
    return kind(**{each.name: values[each.name] for each in fields(kind) if each.name in values})  # type: ignore[arg-type]


def _described(kind: type) -> Iterator[tuple[Field[Any], Described, Any]]:
    """The fields of a dataclass that are options, with their types."""
    told = {each: each.metadata["option"] for each in fields(kind) if "option" in each.metadata}
    typed = {each.name: about.typed_as for each, about in told.items() if about.typed_as is not None}
    hints = get_type_hints(kind, localns=dict.fromkeys(_PYTHON_ONLY, Any))
    for each, about in told.items():
        yield each, about, typed.get(each.name, hints[each.name])


def _default(each: Field[Any], about: Described) -> Any:
    """A field's default on the command line; ``MISSING`` where it has to be given."""
    return each.default if about.typed is UNSET else about.typed


def _value(about: Described, each: Field[Any], given: dict[str, Any]) -> Any:
    """What a field is, of what was given on the command line; ``UNSET`` for its default."""
    if about.switch is not None and not given[_word(about.switch.names)]:
        return about.switch.off
    value = given[each.name]
    if isinstance(value, list):
        value = tuple(value if about.repeats else dict.fromkeys(value))
    return UNSET if value is None or value == () else value


def _parameters(each: Field[Any], about: Described, hint: Any) -> Iterator[inspect.Parameter]:
    if about.switch is not None:
        switch = typer.Option(about.switch.names, help=about.switch.help)
        yield _parameter(_word(about.switch.names), bool, switch, default=True)
    several = get_origin(hint) is tuple
    kind: Any = list[get_args(hint)[0]] if several else hint  # type: ignore[misc]
    default: Any = _EMPTY if _default(each, about) is MISSING else _default(each, about)
    told = about.default_text
    if several and default is not _EMPTY:
        told = told or ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in default)
        default = None
    elif told:
        default = None
    if default is None and not _takes_none(kind):
        kind = kind | None
    within = f" [{about.bounds.brief}]" if about.bounds else ""
    text = f"{about.help}{within} [default: {told}]" if told else f"{about.help}{within}"
    yield _parameter(each.name, kind, _information(each.name, about, kind, text), default)


def _one_of(name: str, known: Collection[str], text: str) -> str:
    """One of the words that an option takes."""
    if text not in known:
        raise VestigeError(f"{name} {text}: {choice(text, known)}")
    return text


def _information(name: str, about: Described, kind: Any, text: str) -> Any:
    if about.argument:
        return typer.Argument(metavar=about.metavar or None, help=text)
    words = name.replace("_", "-")
    names = about.names or ((f"--{words}/--no-{words}",) if kind is bool else (f"--{words}",))
    metavar, parser = about.metavar or None, about.parser
    if (bounds := about.bounds) is not None:
        metavar = metavar or ("N" if bounds.whole else "X")
        parser = partial(bounds.parse, names[0])
    if get_origin(kind) is Literal and parser is None:
        metavar = metavar or f"<{'|'.join(get_args(kind))}>"
        parser = partial(_one_of, names[0], get_args(kind))
    return typer.Option(*names, metavar=metavar, parser=parser, help=text)


def _parameter(name: str, kind: Any, information: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, information]
    )


def _takes_none(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _word(names: str) -> str:
    """``--look-back/--no-look-back`` as the name of a parameter."""
    return names.partition("/")[0].removeprefix("--").replace("-", "_")
