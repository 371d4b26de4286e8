import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.markup import Markup
from vestige.probes.keypoints.classes import class_examples, class_markup, find_classes

MARKUP = Markup(
    "animals",
    ("cat/left ear", "cat/right ear", "cat/tail", "dog/nose", "dog/tail"),
    mirror=(1, 0, 2, 3, 4),
    parts={"cat/head": (0, 1), "cat/back": (2,), "dog/all": (3, 4)},
)


def example(name, category, visible):
    points = np.arange(10.0).reshape(5, 2)
    return Example(name, name, None, np.array([0.0, 0, 10, 10]), points, np.array(visible, bool), category=category)


def animals(n_cats=8, n_dogs=8):
    cats = [example(f"c{i}", "cat", (1, 0, i == 0, 0, 0)) for i in range(n_cats)]
    return [*cats, *(example(f"d{i}", "dog", (0, 0, 0, 1, 1)) for i in range(n_dogs))]


def test_every_class_has_the_keypoints_that_its_examples_show():
    classes, notes = find_classes(animals(), MARKUP, 0, mirror=False)
    assert {own.name: own.columns for own in classes} == {"cat": (0,), "dog": (3, 4)}
    assert "cat/tail" in notes[0]  # one picture alone: no fold could be predicted without it


def test_a_mirrored_copy_shows_the_partner():
    classes, _ = find_classes(animals(), MARKUP, 0, mirror=True)
    assert classes[0].columns == (0, 1)


def test_a_class_of_too_few_pictures_is_left_out_and_said():
    classes, notes = find_classes(animals(n_cats=3), MARKUP, 0, mirror=False)
    assert [own.name for own in classes] == ["dog"]
    assert "'cat' is left out: 3 training examples" in notes[0]
    with pytest.raises(VestigeError, match="more training data"):
        find_classes(animals(3, 3), MARKUP, 0, mirror=False)


def test_the_name_of_all_classes_is_taken():
    with pytest.raises(VestigeError, match="rename"):
        find_classes([example(str(i), "all", (1,) * 5) for i in range(5)], MARKUP, 0, mirror=False)


def test_the_markup_of_a_class_is_numbered_anew():
    own = class_markup(MARKUP, (1, 3, 4))
    assert own.points == ("cat/right ear", "dog/nose", "dog/tail")
    assert own.mirror is None  # the right ear's partner is not there
    assert own.parts == {"cat/head": (0,), "dog/all": (1, 2)}
    assert class_markup(MARKUP, (0, 1, 4)).mirror == (1, 0, 2)


def test_examples_of_a_class_keep_its_keypoints_alone():
    data = animals(5, 6)
    classes, _ = find_classes(data, MARKUP, 0, mirror=False)
    rows, own = class_examples(data, classes[1])
    assert rows.tolist() == list(range(5, 11))
    np.testing.assert_array_equal(own[0].keypoints, [[6, 7], [8, 9]])
    assert own[0].visible.tolist() == [True, True]
