"""The head's geometry: projection, mesh and contour agree with each other and with rotations done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vestige.synthetic.head import COLUMNS, ROWS, Head, ellipsoid_outline, mesh_indices
from vestige.synthetic.identity import draw_person

SIZE = 224


@pytest.fixture(scope="module")
def heads() -> list[Head]:
    return [Head(draw_person(np.random.default_rng(i)), SIZE) for i in range(30)]


def distance_to_polyline(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance (N,) from points to the closed polyline (M, 2)."""
    start, end = line, np.roll(line, -1, axis=0)
    step = end - start
    t = ((points[:, None] - start) * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-12)
    foot = start + np.clip(t, 0, 1)[..., None] * step
    return np.linalg.norm(points[:, None] - foot, axis=-1).min(1)


def test_projection_is_a_rotation_and_a_perspective_division(heads: list[Head]) -> None:
    """Against Euler angles multiplied out by hand, up to the shift that centres the face."""
    rng = np.random.default_rng(0)
    for head in heads[:10]:
        view = head.view
        a, b, c = np.radians([view.yaw, view.pitch, view.roll])
        points = rng.normal(size=(5, 3))
        expected = []
        for x, y, z in points:
            x, z = x * np.cos(a) + z * np.sin(a), -x * np.sin(a) + z * np.cos(a)
            y, z = y * np.cos(b) - z * np.sin(b), y * np.sin(b) + z * np.cos(b)
            x, y = x * np.cos(c) - y * np.sin(c), x * np.sin(c) + y * np.cos(c)
            expected.append(np.array([x, y]) * view.scale * SIZE * view.distance / (view.distance - z))
        projected = head.project(points)
        np.testing.assert_allclose(projected - projected[0], expected - expected[0], atol=1e-9)


def test_camera_axes_and_back(heads: list[Head]) -> None:
    directions = np.random.default_rng(1).normal(size=(7, 3))
    for head in heads[:5]:
        np.testing.assert_allclose(head.to_head(head.to_camera(directions)), directions, atol=1e-12)


def test_grid_is_the_surface(heads: list[Head]) -> None:
    """The grid's shortcut (bumps on nearby rows only) leaves less than a hundredth of a unit."""
    for head in heads[:5]:
        inner = head.grid[8:-8, 6:-6]
        direct = head.surface(inner[..., 0], inner[..., 1])
        np.testing.assert_allclose(inner, direct, atol=0.01)


def test_mesh_is_the_projected_grid(heads: list[Head]) -> None:
    rows, columns = mesh_indices()
    assert (rows[-1], columns[-1]) == (ROWS - 1, COLUMNS - 1)
    for head in heads[:5]:
        np.testing.assert_allclose(head.mesh, head.project(head.grid[np.ix_(rows, columns)]), atol=1e-9)


def test_hidden_jaw_points_slide_to_the_silhouette(heads: list[Head]) -> None:
    checked = 0
    for head in heads:
        if abs(head.view.yaw) < 8:
            continue
        far = slice(10, 15) if head.view.yaw > 0 else slice(2, 7)
        assert distance_to_polyline(head.landmarks[far], head.silhouette).max() < 1.0
        checked += 1
    assert checked > 10


def test_no_landmark_lies_outside_the_silhouette(heads: list[Head]) -> None:
    for head in heads:
        left, right = head.silhouette[:ROWS], head.silhouette[: ROWS - 1 : -1]
        roll = np.radians(-head.view.roll)
        upright = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        points, left, right = (p @ upright.T for p in (head.landmarks, left, right))
        for x, y in points[17:]:
            assert np.interp(y, left[:, 1], left[:, 0]) - 1 <= x <= np.interp(y, right[:, 1], right[:, 0]) + 1


def test_ellipsoid_outline_is_where_its_points_end(heads: list[Head]) -> None:
    """No point of the ellipsoid projects (in parallel) outside the outline, and some come close everywhere."""
    rng = np.random.default_rng(2)
    sphere = rng.normal(size=(20000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    centre, radii = np.array([0.1, -0.3, 0.2]), np.array([1.0, 1.2, 0.8])
    for head in heads[:3]:
        outline = ellipsoid_outline(head, centre, radii)
        flat = head.to_camera(sphere * radii)[:, :2]
        depth = head.to_camera(centre)[2]
        flat = head.project(centre) + flat * head.unit * head.view.distance / (head.view.distance - depth)
        middle = outline.mean(0)
        reach = _radius_by_angle(outline - middle, 24)
        seen = _radius_by_angle(flat - middle, 24)
        np.testing.assert_allclose(seen, reach, rtol=0.03)


def _radius_by_angle(points: np.ndarray, bins: int) -> np.ndarray:
    angle = np.arctan2(points[:, 1], points[:, 0])
    which = ((angle + np.pi) / (2 * np.pi) * bins).astype(int) % bins
    return np.array([np.linalg.norm(points[which == k], axis=1).max() for k in range(bins)])
