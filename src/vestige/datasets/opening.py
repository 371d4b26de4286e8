"""Data specs to data sets: one table, from the kind to its loader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from shlex import quote

from vestige.datasets.dataset import Dataset, Problem, keep_fold, summed_up
from vestige.datasets.reading import BadFileError, Kind, Problems
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.handed_in import as_type
from vestige.images import ImageFile
from vestige.markup import Markup
from vestige.object_stores import copied, is_url
from vestige.plugins import Plugins, guarded, plugins
from vestige.spec import DataSpec, data_spec_text, parse_data_spec
from vestige.spelling import either, spelled

_LISTED = 20  # problems that an error lists before it only counts
_COPY = "left out of the training data: the same picture is in the test data"
_NOTHING_SHARED = "expected training and test data that share nothing"


KINDS = {
    "300w": "ibug:KIND",
    "ade20k": "ade20k:KIND",
    "coco": "coco:KIND",
    "coco-objects": "coco_objects:KIND",
    "cub": "cub:KIND",
    "folder": "folder:KIND",
    "helen194": "helen:KIND",
    "labelme": "labelme:KIND",
    "lfw": "lfw:KIND",
    "miniplaces": "miniplaces:KIND",
    "synthetic": "drawn:KIND",
    "voc-keypoints": "voc:KEYPOINTS",
    "voc-segmentation": "voc:SEGMENTATION",
}
"""Kind of data set -> its place in this package, ``module:constant``, imported when one is opened.

Every kind knows ``fold`` and ``exif=ignore`` besides its own options.
"""

GROUP = "vestige.datasets"
"""The entry points by which other packages bring kinds: each names a :class:`~vestige.datasets.reading.Kind`."""


def kind_named(name: str) -> Kind | None:
    """A kind of data set, vestige's own or a plug-in's; None where there is none of that name."""
    plugged = _from_plugins()  # of vestige's own kinds, too, so that a plug-in that cannot be used is named
    if name not in KINDS:
        return plugged.found.get(name)
    module, _, constant = KINDS[name].partition(":")
    kind: Kind = getattr(import_module(f"vestige.datasets.{module}"), constant)
    return kind


@cache
def _from_plugins() -> Plugins[Kind]:
    return plugins(GROUP, KINDS, "a vestige.datasets.reading.Kind", _as_kind)


def _as_kind(_name: str, loaded: object) -> Kind | None:
    return loaded if isinstance(loaded, Kind) else None


def open_dataset(spec: str, *, strict: bool = False, markup: Markup | None = None) -> Dataset:
    """The data set that a spec names, its examples sorted by id.

    What cannot be used is left out and listed in ``skipped``.

    Args:
        spec: ``kind:PATH,key=value,flag``; every kind knows ``fold=K/N`` (see :mod:`vestige.datasets.dataset`).
        strict: whether one bad file is an error.
        markup: what the points mean, where it is not what the loader takes them for.

    Raises:
        VestigeError: where there is no such kind or folder, an option is wrong, nothing usable is left, the markup
            has another number of points, or (``strict``) anything has to be left out.
    """
    _check(strict, markup)
    parsed = parse_data_spec(spec)
    kind = _kind_of(parsed)
    parsed.check_options({"fold", "exif", *kind.options, *(kind.splits or ())})
    if kind.splits is not None and all(split in parsed.options for split in kind.splits):
        raise VestigeError(f"{spec!r}: expected at most one of {kind.splits[0]} and {kind.splits[1]}")
    problems = Problems()
    dataset = _loaded(kind, parsed, problems)
    examples = _sorted_by_id(dataset, problems)
    skipped = tuple(problems.found)
    if skipped and strict:
        raise VestigeError(
            _listing(f"{spec!r}: {len(skipped)} problem{'s' * (len(skipped) != 1)}, and strict was asked for", skipped)
        )
    dataset = replace(dataset, examples=examples, skipped=skipped)
    if "fold" in parsed.options:
        kept = keep_fold(dataset, parsed.options["fold"])
        dataset = replace(dataset, examples=tuple(dataset.examples[i] for i in kept))
    dataset = replace(dataset, examples=tuple(replace(example, source=spec) for example in dataset))
    if not dataset.examples:
        raise VestigeError("\n  ".join([f"{spec!r}: no usable examples", *summed_up(skipped, shown=1)]))
    return dataset if markup is None else _with_markup(dataset, markup)


def open_train_test(
    train: str | Dataset, test: str | Dataset | None = None, *, strict: bool = False, markup: Markup | None = None
) -> tuple[Dataset, Dataset]:
    """The data to train on and the data to test on, which share nothing.

    Without ``test``, a data set that carries its own split is used by it (``cub:DIR`` is ``cub:DIR,train`` and
    ``cub:DIR,test``). Copies of a test picture under another name in the same data set leave the training data and
    are listed in its ``skipped``.

    Args:
        train: a spec, or a data set that is open already.
        test: data to test on, a spec or a data set.
        strict: as of :func:`open_dataset`.
        markup: what the points of both mean.

    Raises:
        VestigeError: as :func:`open_dataset`; where ``test`` is needed; where the two share an example, or a
            picture of different data sets.
    """
    _check(strict, markup)
    if test is None:
        if isinstance(train, Dataset):
            raise VestigeError(f"{train.spec}: an open data set has no split of its own: give the test data, too")
        train, test = _own_split(train)
    first, second = (open_given(each, strict=strict, markup=markup) for each in (train, test))
    first = _disjoint(first, second)
    if strict and (copies := [problem for problem in first.skipped if problem.message.startswith(_COPY)]):
        raise VestigeError(_listing(f"{train!r} and {test!r} share pictures, and strict was asked for", copies))
    return first, second


def open_given(data: str | Dataset, *, strict: bool = False, markup: Markup | None = None) -> Dataset:
    """The data set that is given, by its spec or as it is.

    Raises:
        VestigeError: as :func:`open_dataset`; where it is neither.
    """
    if isinstance(data, str):
        return open_dataset(data, strict=strict, markup=markup)
    if not isinstance(data, Dataset):
        raise VestigeError(
            f"data: expected a spec such as 'cub:DIR', or a vestige.Dataset, got {type(data).__name__}; "
            "vestige.Dataset.from_arrays makes one of pictures in memory"
        )
    return data if markup is None else _with_markup(data, markup)


def _check(strict: object, markup: object) -> None:
    as_type("strict", strict, bool)
    as_type("markup", markup, Markup | None)


def _kind_of(spec: DataSpec) -> Kind:
    kind = kind_named(spec.kind)
    if kind is None and spec.kind in _from_plugins().failed:
        raise VestigeError(f"{spec.text!r}: the plug-in {spec.kind!r} {_from_plugins().failed[spec.kind]}")
    if kind is None:
        known = sorted({*KINDS, *_from_plugins().found})
        raise VestigeError(f"{spec.text!r}: unknown kind {spec.kind!r}; {choice(spec.kind, known)}")
    return kind


def _loaded(kind: Kind, spec: DataSpec, problems: Problems) -> Dataset:
    """What a kind reads; whatever else a plug-in's loader raises or returns is an error that names it.

    What the spec names in an object store is copied to this machine, and the loader reads the copy.
    """
    spec = replace(spec, path=_here(spec.path), options={key: _here(text) for key, text in spec.options.items()})
    if spec.kind in KINDS:
        return kind.load(spec, problems)
    with guarded(f"{spec.text!r}: the plug-in {spec.kind!r}"):
        try:
            dataset: object = kind.load(spec, problems)
        except BadFileError as error:
            raise VestigeError(f"{spec.text!r}: {error}") from error
    if isinstance(dataset, Dataset):
        return dataset
    raise VestigeError(
        f"{spec.text!r}: the plug-in {spec.kind!r} returned {type(dataset).__name__}; expected a vestige.Dataset"
    )


def _here(text: str) -> str:
    """A path, or whatever else an option says: where it is a URL, the path of its copy."""
    return str(copied(text)) if is_url(text) else text


def _own_split(train: str) -> tuple[str, str]:
    parsed = parse_data_spec(train)
    splits = _kind_of(parsed).splits
    if splits is None:
        raise VestigeError(
            f"{train!r} has no split of its own: give the test data with {spelled('test')}, as in {_test_for(parsed)}"
        )
    given = [split for split in splits if split in parsed.options]
    if given:
        raise VestigeError(
            f"{train!r} is only the {given[0]} part: give the test data with {spelled('test')}, or leave it out"
        )
    return f"{train},{splits[0]}", f"{train},{splits[1]}"


def _test_for(train: DataSpec) -> str:
    """Training and test data, where there was no test data yet, as they are given."""
    options = {key: value for key, value in train.options.items() if key not in ("fold", "seed")}
    spec = data_spec_text(train.kind, train.path, options)
    if train.kind == "synthetic":
        first, second = train.text, f"{spec},seed={train.integer('seed', 0) + 1}"
    else:
        first, second = f"{spec},fold=1-4/5", f"{spec},fold=5/5"
    return either(f"{quote(first)} --test {quote(second)}", f"{first!r}, test={second!r}")


def _sorted_by_id(dataset: Dataset, problems: Problems) -> tuple[Example, ...]:
    """The examples by id; those whose id another one has already are problems."""
    by_id: dict[str, Example] = {}
    for example in dataset:
        if example.id in by_id:
            problems.add(example.id, "is listed twice; the first one counts")
        else:
            by_id[example.id] = example
    return tuple(by_id[name] for name in sorted(by_id))


def _with_markup(dataset: Dataset, markup: Markup) -> Dataset:
    points = None if dataset.markup is None else len(dataset.markup.points)
    if points != len(markup.points):
        has = "no points" if points is None else f"{points} points"
        raise VestigeError(f"markup {markup.name!r} is for {len(markup.points)} points; {dataset.spec!r} has {has}")
    return replace(dataset, markup=markup)


def _disjoint(train: Dataset, test: Dataset) -> Dataset:
    """The training data without what the test data has too.

    Parts of one data set may hold copies of a picture under two names (published splits do): those leave the training
    data, with a problem each. Anything else that is shared is a mistake in the two specs.
    """
    if train.fingerprint == test.fingerprint:
        raise VestigeError(f"{train.spec!r} and {test.spec!r} are the same data; {_NOTHING_SHARED}")
    tested = {_content(example): example.id for example in test}
    shared = {e.id: tested[content] for e in train if (content := _content(e)) in tested}
    one_set = _place(train) == _place(test)
    if shared and not (one_set and shared.keys().isdisjoint(example.id for example in test)):
        first, second = next(iter(shared.items()))
        raise VestigeError(
            f"{len(shared)} of {len(train)} pictures of {train.spec!r} are in {test.spec!r} too, the first {first!r} "
            f"(there {second!r}); {_NOTHING_SHARED}"
        )
    if one_set:
        _refuse_shared_groups(train, test)
    problems = [Problem(first, f"{_COPY}, as {second}") for first, second in shared.items()]
    return train.without(tuple(e for e in train if e.id not in shared), problems) if shared else train


def _refuse_shared_groups(train: Dataset, test: Dataset) -> None:
    """Parts of one data set must not have pictures of one person, or objects of one photograph, on both sides."""
    ways = [parse_data_spec(dataset.spec).options.get("group") for dataset in (train, test)]
    if ways[0] != ways[1]:
        raise VestigeError(f"{train.spec!r} and {test.spec!r} are grouped in different ways; give both the same group=")
    shared = sorted({example.group for example in train} & {example.group for example in test})
    if shared:
        raise VestigeError(
            f"{len(shared)} groups of {train.spec!r} are in {test.spec!r} too, the first {shared[0]!r}; "
            f"{_NOTHING_SHARED}, as fold=1-4/5 and fold=5/5 do, which keep groups together"
        )


def _content(example: Example) -> str:
    """What tells one picture from another, however it is read."""
    return example.image.content if isinstance(example.image, ImageFile) else example.image.digest()


def _place(dataset: Dataset) -> tuple[str, str]:
    spec = parse_data_spec(dataset.spec)
    return spec.kind, spec.path


def _listing(headline: str, problems: Sequence[Problem]) -> str:
    lines = [headline, *(f"  {problem}" for problem in problems[:_LISTED])]
    if len(problems) > _LISTED:
        lines.append(f"  and {len(problems) - _LISTED} more")
    return "\n".join(lines)
