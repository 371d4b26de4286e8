"""The house as docs/architecture.md draws it: no import goes up a floor, or sideways between rooms."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
_FLOOR = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
_ROOM = re.compile(r"`([a-z_]+)(?:/|\.py)`")


def floors() -> dict[str, int]:
    """Room -> floor, from the table of the document; all that the table does not name is on the ground."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return {room: int(floor) for floor, rooms, _ in _FLOOR.findall(text) for room in _ROOM.findall(rooms)}


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of the package."""
    found = {}
    for path in sorted((SOURCE / "vestige").rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path
    return found


MODULES = modules()


def imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, anywhere in it, type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vestige":
            found.add(node.module)
            found |= {inner for each in node.names if (inner := f"{node.module}.{each.name}") in MODULES}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name.split(".")[0] == "vestige"}
    return found


def room(module: str) -> str:
    """The folder or file right below the package that a module is in."""
    return module.split(".")[1] if "." in module else ""


FLOORS = floors()
_ABOVE = ("vestige", "vestige.__main__")  # what a user imports and runs: it stands above all


def test_every_folder_has_its_place() -> None:
    folders = {path.name for path in (SOURCE / "vestige").iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(FLOORS)
    assert all((SOURCE / "vestige" / name).exists() or (SOURCE / "vestige" / f"{name}.py").exists() for name in FLOORS)


def test_imports_go_down() -> None:
    wrong = []
    for module, path in MODULES.items():
        if module in _ABOVE:
            continue
        here = room(module)
        for target in sorted(imports(path) - {"vestige"}):
            there = room(target)
            up = FLOORS.get(there, 0) > FLOORS.get(here, 0)
            sideways = there != here and 0 < FLOORS.get(here, 0) == FLOORS.get(there, 0)
            if up or sideways:
                wrong.append(f"{module} imports {target}")
    assert not wrong


def test_imports_make_no_circle() -> None:
    """Modules that import one another when they are loaded; what a function imports when it runs does not count."""
    graph = {module: _loaded(path) - {module} for module, path in MODULES.items()}
    while free := [module for module, needed in graph.items() if not needed & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph


def _loaded(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            inner = {f"{node.module}.{each.name}" for each in node.names} & MODULES.keys()
            found |= inner or {node.module}
    return found


def test_measuring_needs_no_page() -> None:
    """All measurements are loaded in turn; what one loads is there for the next, and stands first behind its name."""
    measures = [module for module in MODULES if module.endswith(".measure")]
    code = (
        "import importlib, sys\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "    print(module, *{'matplotlib', 'jinja2'} & {name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *measures], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == [*measures, ""]
