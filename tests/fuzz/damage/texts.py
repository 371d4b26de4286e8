"""What is typed: specs, boxes, readouts, and whole commands with absurd words."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from damage.guard import Kind
from vestige.backbones import open_backbone
from vestige.cli.main import app, main
from vestige.cli.options import parse_box
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.features.readout import parse_readout
from vestige.spec import data_spec_text, parse_backbone_spec, parse_data_spec

SPECS = (
    *("synthetic:faces,n=3,seed=1,size=32", "synthetic:objects,n=2,category=house,void", "300w:a,fold=1-4/5"),
    *(
        "coco:a.json,images=b,category=all,visible=2",
        "cub:a,train,fold=2/3",
        "folder:~/a,exif=ignore",
        "lfw:a,group=person",
    ),
    *("voc-keypoints:a,annotations=b", "voc-segmentation:a,val", "rgb:8", "rgb:16@random:3", "caffe:caffenet@a.npz"),
    *(
        "caffe:alexnet@a.caffemodel,mean=1/2/3",
        "timm:resnet18@random:0",
        "python:a:b@c.pt,size=32",
        "efficientnet_lite0@a",
    ),
)


def specs(folder: Path) -> None:
    """One spec a file."""
    for number, text in enumerate(SPECS):
        (folder / f"{number}.txt").write_text(text)
    (folder / "box.txt").write_text("1,2,30.5,40")
    (folder / "readout.txt").write_text("grid:4")


def read_spec(folder: Path, path: Path, _rng: random.Random) -> None:
    """Parse it as everything; open it where that runs no other code and asks for no network."""
    if not path.is_file():
        return
    text = path.read_bytes()[:2000].decode("utf-8", "surrogateescape")
    with contextlib.chdir(folder):
        data = None
        try:
            data = parse_data_spec(text)
            assert parse_data_spec(data_spec_text(data.kind, data.path, data.options)).path == data.path
        except VestigeError:
            if path.stem not in ("box", "readout"):
                parse_backbone_spec(text)
        if data is not None:
            with contextlib.suppress(VestigeError):
                for example in open_dataset(text)[:1]:
                    example.image.read()
        if text.startswith(("rgb:", "caffe:", "efficientnet")) and text not in ("efficientnet_lite0",):
            with contextlib.suppress(VestigeError):
                open_backbone(text)
        for parse in (parse_box, parse_readout):
            with contextlib.suppress(VestigeError):
                parse(text)


def options(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every command's words, and the options that take a value."""
    group = app if group is None else group
    for command in group.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        hints = typing.get_type_hints(command.callback, include_extras=True)
        found = [word for hint in hints.values() for word in _option(hint)]
        yield (*path, name), found
    for inner in group.registered_groups:
        yield from options(inner.typer_instance, (*path, inner.name))


def _option(hint: Any) -> list[str]:
    kind, *metadata = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    inner = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    declared = [getattr(info, "default", None) for info in metadata]
    named = [word for word in declared if isinstance(word, str) and word.startswith("-")]
    return [] if bool in inner else named


def commands(folder: Path) -> None:
    """Every command, with options that it has, on data and into a folder that there cannot be."""
    rng = random.Random(0)
    (folder / "file").write_text("in the way")
    for path, known in options():
        if path[0] == "demo":  # which needs nothing and takes minutes
            continue
        chosen = [word for word in rng.sample(known, min(4, len(known))) if word not in ("-o", "--output")]
        words = [*path, "nothing:here", *(w for word in chosen for w in (word, rng.choice(("3", "0.5", "a"))))]
        into = ["-o", "file/under"] if path[0] not in ("cache", "layers") else []
        (folder / f"{'-'.join(path)}.words").write_text("\n".join([*words, *into]))


def read_command(folder: Path, path: Path, rng: random.Random) -> None:
    """Run it here: it ends with a status, and says what is wrong in a line or two."""
    if not path.is_file():
        return
    text = path.read_bytes().decode("utf-8", "surrogateescape").replace("/", "_").replace("file_under", "file/under")
    words = [word[:2000] for word in text.split("\n")[:40] if "\0" not in word]
    if rng.random() < 0.7 and len(words) > 3:
        words[rng.randrange(2, len(words))] = rng.choice(ABSURD)
    if not words or words[0] == "demo":
        return
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["vestige", *words]
    cache, os.environ["VESTIGE_CACHE"] = os.environ.get("VESTIGE_CACHE"), str(folder / "cache")
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        if stop.code not in (None, 0, 1, 2):
            raise AssertionError(f"status {stop.code}") from stop
        told = err.getvalue()
        if "Traceback" in told:
            raise AssertionError(told) from stop
        if stop.code == 2:
            raise VestigeError(told) from stop
    finally:
        sys.argv = argv
        if cache is None:
            del os.environ["VESTIGE_CACHE"]
        else:
            os.environ["VESTIGE_CACHE"] = cache


ABSURD = (
    *("nan", "inf", "-inf", "-1", "0", "1e300", str(10**19), "1" * 5000, "", " ", "1e", "0x10", "٣", "\ud800", "[/b]"),
    *("0,0,1e9,1e9", "nan,0,1,1", "1,2,3", "@random:99999999999999", "rgb:46", "rgb:999999999", "auto:99999999999"),
    *("synthetic:faces,n=999999999999999999", "synthetic:faces,size=999999", "all", "even:0", "even:9999999", "grid:0"),
    *("~nobody_here/x", "a" * 300, "file", "*", "--help", "--overwrite", "\x1b[31m", "%n"),
)

KINDS = [
    Kind("specs", specs, read_spec, 120),
    Kind("commands", commands, read_command, 120, lambda path: path.suffix == ".words", refused=True),
]
