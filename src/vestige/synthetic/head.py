"""A head's surface in three dimensions, its 68 landmarks, and their projection into the picture.

The face is the graph of z over the frontal plane: a dome whose outline is the jaw below and the skull above, with
bumps and dents for nose, eye sockets, lips and so on. Units and axes are those of `identity`.
Landmarks follow the 300-W order.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import skia
from numpy.typing import ArrayLike, NDArray

from vestige.synthetic.canvas import Floats, polygon
from vestige.synthetic.identity import Expression, Person, Shape
from vestige.synthetic.solids import Camera

CLASSES = ("background", "skin", "hair", "brow", "eye", "nose", "mouth", "glasses", "clothes")
CLASS = {name: index for index, name in enumerate(CLASSES)}
"""Of the faces' segmentation masks: names, and their indices."""

ROWS, COLUMNS = 97, 81  # of the surface grid that carries the skin's texture
_CROWN = 16  # rows at the top that are finer than the picture needs
_FRONT = 0.98  # z of the face's front plane at the middle line


class Head:
    """One head, posed and projected into a picture of ``size`` pixels.

    Attributes:
        landmarks: (68, 2) in vestige pixel coordinates, 300-W order.
        layout: (68, 2) the same points in the frontal plane of the head (the jaw before it slides to the contour).
        unit: pixels per unit of length at the head's centre.
    """

    def __init__(self, person: Person, size: int) -> None:
        self.shape, self.expression, self.view = person.shape, person.expression, person.view
        self.chin = self.shape.chin + 0.15 * self.expression.mouth_open
        self._bumps = _bumps(self.shape, self.expression)
        self.layout = _layout(self.shape, self.expression)
        self.layout[:17] = self._jaw_layout()
        self.unit = self.view.scale * size
        self.rotation = _rotation(self.view.yaw, self.view.pitch)
        roll = np.radians(self.view.roll)
        self._roll = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        self._offset = np.zeros(2)
        landmarks = self._place_landmarks()
        self._offset = size * np.array(self.view.centre) - (landmarks.min(0) + landmarks.max(0)) / 2
        self.landmarks = landmarks + self._offset

    def half_width(self, y: ArrayLike) -> Floats:
        """x of the frontal outline at height y; 0 beyond crown and chin."""
        y = np.asarray(y, np.float64)
        below = y > 0
        t = np.minimum(y / np.where(below, self.chin, self.shape.top), 1.0)
        power = np.where(below, self.shape.jaw_power, 2.7)
        outline = (1 - t**power) ** np.where(below, 1 / self.shape.chin_power, 1 / 2.2)
        return np.asarray(outline * (1 + 0.03 * np.sin(np.pi * t) * ~below))

    def surface(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Points (..., 3) of the face above the points (x, y) of the frontal plane."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        side = np.minimum(np.abs(x) / (self.half_width(y) + 1e-6), 1.0)
        z = self._dome(side, y) + _relief(self._bumps, x, y)
        points = np.empty((*z.shape, 3))
        points[..., 0], points[..., 1], points[..., 2] = x, y, z
        return points

    @cached_property
    def grid(self) -> Floats:
        """Surface points (ROWS, COLUMNS, 3), crown to chin, from the picture's left side to the right."""
        u = np.linspace(0, 1, ROWS)
        rows = 0.5 * u + 0.25 * (1 - np.cos(np.pi * u))  # denser where the outline turns
        y = (self.shape.top + (self.chin - self.shape.top) * rows)[:, None]
        sine = np.sin(np.linspace(-np.pi / 2, np.pi / 2, COLUMNS))[None]
        x = self.half_width(y) * sine
        z = self._dome(np.abs(sine), y) + _relief_on_rows(self._bumps, x, y[:, 0])
        return np.stack([x, np.broadcast_to(y, x.shape), z], axis=-1)

    def _dome(self, side: Floats, y: Floats) -> Floats:
        """z without relief; ``side`` is |x| as a share of the half width at height y."""
        below = y > 0
        t = np.minimum(y / np.where(below, self.chin, self.shape.top), 1.0)
        end = np.where(below, 0.80, -0.25)
        middle = end + (_FRONT - end) * np.sqrt(1 - t ** np.where(below, 6.0, 3.2))
        edge = -0.05 + np.where(below, 0.85 * t**1.9, -0.20 * t)
        return np.asarray(edge + (middle - edge) * np.sqrt(1 - side ** np.where(below, 2.1 + 0.5 * t, 2.1)))

    def project(self, points: Floats) -> Floats:
        """Pixel coordinates (..., 2) of points (..., 3) of the head."""
        return np.asarray(self._upright(points) @ self._roll.T + self._offset)

    def project_face(self, x: ArrayLike, y: ArrayLike, lift: float = 0.0) -> Floats:
        """Pixel coordinates of face points given in the frontal plane, raised ``lift`` above the skin."""
        return self.project(self.surface(x, y) + np.array([0.0, 0.0, lift]))

    @cached_property
    def camera_axes(self) -> Floats:
        """The head's axes (3, 3), one a row, in camera axes: directions of the head times this are in the camera's."""
        roll = np.eye(3)
        roll[:2, :2] = self._roll
        return np.asarray((roll @ self.rotation).T)

    @property
    def camera(self) -> Camera:
        """The same view, for solids fixed to the head."""
        return Camera(self.camera_axes, self.unit, self.view.distance, self._offset)

    def to_camera(self, directions: Floats) -> Floats:
        """Directions (..., 3) of the head in camera axes."""
        return np.asarray(directions @ self.camera_axes)

    def to_head(self, directions: Floats) -> Floats:
        """Directions (..., 3) in camera axes in those of the head; undoes `to_camera`."""
        return np.asarray(directions @ self.camera_axes.T)

    def _upright(self, points: Floats) -> Floats:
        """Projection before roll and shift, so that rows of the head stay rows."""
        turned = points @ self.rotation.T
        magnify = self.unit * self.view.distance / (self.view.distance - turned[..., 2:])
        return turned[..., :2] * magnify

    @cached_property
    def _upright_grid(self) -> Floats:
        return self._upright(self.grid)

    @cached_property
    def mesh(self) -> Floats:
        """Pixel coordinates (rows, columns, 2) of the drawn mesh; node (i, j) is grid node (i, j) * step."""
        rows, columns = mesh_indices()
        return np.asarray(self._upright_grid[np.ix_(rows, columns)] @ self._roll.T + self._offset)

    @cached_property
    def silhouette(self) -> Floats:
        """The face's visible outline (2 * ROWS, 2) in pixels: each row's extremes."""
        rows = np.arange(ROWS)
        across = self._upright_grid[..., 0]
        left = self._upright_grid[rows, across.argmin(1)]
        right = self._upright_grid[rows, across.argmax(1)]
        return np.asarray(np.concatenate([left, right[::-1]]) @ self._roll.T + self._offset)

    @cached_property
    def outline(self) -> skia.Path:
        """`silhouette` as a path; not to be changed."""
        return polygon(self.silhouette)

    def contour(self, y: ArrayLike, side: int) -> Floats:
        """Pixels (N, 2) of the visible contour at heights y on one side (-1: the picture's left, 1: its right).

        A point that the head itself hides slides along its row to the silhouette, as annotators place it.
        """
        y = np.atleast_1d(np.asarray(y, np.float64))[:, None]
        x = side * self.half_width(y) * np.sin(np.radians(np.linspace(25, 90, 66)))[None]
        row = self._upright(self.surface(x, y))
        furthest = (side * row[..., 0]).argmax(1)
        return np.asarray(row[np.arange(len(y)), furthest] @ self._roll.T + self._offset)

    def _jaw_layout(self) -> Floats:
        """Jaw points 0-16 in the frontal plane, at equal steps along the outline from ear to chin."""
        y = self.chin * np.sin(np.linspace(-0.02, np.pi / 2, 200))
        outline = np.stack([self.half_width(y), y], axis=1)
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1))])
        at = np.interp(np.linspace(0, length[-1], 9), length, y)
        right = np.stack([self.half_width(at), at], axis=1)
        return np.concatenate([right * [-1, 1], right[-2::-1]])

    def _nearest_visible(self, points: Floats) -> Floats:
        """Pixels of face points (N, 2); one that has turned out of sight slides inwards along its row to the horizon.

        From the middle of the face outwards a row moves outwards in the picture, too, as far as the horizon.
        """
        x = points[:, :1] * np.linspace(1.0, 0.7, 10)[None]
        row = self._upright(self.surface(x, points[:, 1:2]))
        furthest = (np.sign(points[:, :1]) * row[..., 0]).argmax(1)
        return np.asarray(row[np.arange(len(points)), furthest] @ self._roll.T + self._offset)

    def _place_landmarks(self) -> Floats:
        landmarks = self.project_face(self.layout[:, 0], self.layout[:, 1])
        lateral = [*range(17, 27), *range(36, 68)]
        landmarks[lateral] = self._nearest_visible(self.layout[lateral])
        landmarks[:8] = self.contour(self.layout[:8, 1], -1)
        landmarks[9:17] = self.contour(self.layout[9:17, 1], 1)
        return landmarks


def mesh_indices() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Grid rows and columns that are vertices of the drawn mesh: every fourth, at the crown every eighth row."""
    rows = np.concatenate([np.arange(0, _CROWN, 8), np.arange(_CROWN, ROWS, 4)])
    return rows, np.arange(0, COLUMNS, 4)


def _rotation(yaw: float, pitch: float) -> Floats:
    """Turns the head to the picture's right by yaw, then up by pitch (degrees)."""
    a, b = np.radians([yaw, pitch])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.asarray(nod @ turn)


def _relief(bumps: Floats, x: Floats, y: Floats) -> Floats:
    """Sum of Gaussian bumps (K, 5: x, y, width, height, amplitude) at points (x, y)."""
    dx, dy = (x[..., None] - bumps[:, 0]) / bumps[:, 2], (y[..., None] - bumps[:, 1]) / bumps[:, 3]
    return np.asarray(np.exp(-0.5 * (dx * dx + dy * dy)) @ bumps[:, 4])


def _relief_on_rows(bumps: Floats, x: Floats, y: Floats) -> Floats:
    """`_relief` at x (R, C) on rows at increasing heights y (R); rows beyond 3.1 sigma of a bump are skipped."""
    total, x = np.zeros(x.shape, np.float32), x.astype(np.float32)  # a tenth of a thousandth of a pixel is enough
    ends = np.searchsorted(y, bumps[:, 1:2] + 3.1 * bumps[:, 3:4] * [-1, 1])
    for (bx, by, width, height, amplitude), (first, last) in zip(bumps.tolist(), ends.tolist(), strict=True):
        down = (amplitude * np.exp(-0.5 * ((y[first:last] - by) / height) ** 2)).astype(np.float32)
        across = (x[first:last] - np.float32(bx)) * np.float32(1 / width)
        total[first:last] += down[:, None] * np.exp(np.float32(-0.5) * across * across)
    return total.astype(np.float64)


def _bumps(shape: Shape, expression: Expression) -> Floats:
    """The relief's bumps (K, 5); pairs are given once, for the picture's right side."""
    base, tip, nose = shape.nose_length, shape.nose_length - 0.13, shape.nose_height
    mouth, smile = shape.mouth_y, max(expression.smile, 0.0)
    opened = 0.22 * expression.mouth_open
    middle = [
        (0.0, -0.20, 0.14, 0.12, 0.03),  # glabella
        (0.0, 0.05, 0.075, 0.16, 0.10),
        (0.0, tip - 0.30, 0.080, 0.17, 0.30 * nose),  # ridge
        (0.0, tip - 0.12, 0.095, 0.13, 0.42 * nose),
        (0.0, tip, 0.115, 0.085, 0.62 * nose),  # tip
        (0.0, mouth - 0.03, 0.36, 0.24, 0.07),  # the teeth's arch
        (0.0, (base + mouth) / 2, 0.035, 0.09, -0.018),  # philtrum
        (0.0, mouth + 0.3 * shape.lower_lip + opened, 0.2, 0.055, 0.05),
        (0.0, mouth + opened + shape.lower_lip + 0.10, 0.2, 0.055, -0.055),
        (0.0, shape.chin - 0.22 + opened, 0.20, 0.14, 0.10),
    ]
    pairs = [
        (0.66 * shape.nose_width, base - 0.09, 0.085, 0.080, 0.38 * nose),  # wings of the nose
        (1.35 * shape.nose_width, base - 0.08, 0.05, 0.09, -0.04),  # groove beside them
        (shape.eye_x - 0.02, -0.05, 0.22, 0.13, -0.15),  # eye socket
        (0.21, -0.03, 0.075, 0.10, -0.09),
        (shape.eye_x, 0.0, 0.15, 0.10, 0.10),  # eyeball
        (0.40, shape.brow_y + 0.06, 0.26, 0.075, shape.brow_ridge),
        (0.30, -0.72, 0.28, 0.22, 0.03),  # forehead
        (0.62, 0.33, 0.20, 0.18, shape.cheek),
        (0.48, 0.50 - 0.05 * smile, 0.17, 0.15, 0.09 * smile),
        (0.68, 0.90, 0.17, 0.22, -0.05),
        (0.10, mouth - 0.05, 0.10, 0.045, 0.035),  # upper lip
        (0.35 + 0.05 * smile, base + 0.10, 0.045, 0.10, -0.02 - 0.03 * smile),  # nasolabial fold
        (0.44 + 0.08 * smile, mouth - 0.06, 0.045, 0.10, -0.02 - 0.03 * smile),
        (shape.mouth_width + 0.04, mouth, 0.05, 0.06, -0.03),
    ]
    mirrored = [(-x, *rest) for x, *rest in pairs]
    return np.array([*middle, *pairs, *mirrored])


def _layout(shape: Shape, expression: Expression) -> Floats:
    """Landmarks (68, 2) in the frontal plane; the jaw is filled in by the head's outline."""
    layout = np.zeros((68, 2))
    layout[17:27] = _brows(shape, expression)
    layout[27:36] = _nose(shape)
    layout[36:48] = _eyes(shape, expression)
    layout[48:68] = _mouth(shape, expression)
    left = layout[:, 0] < 0
    layout[left] *= 1 + shape.sides[1]
    layout[17:48][left[17:48], 1] += shape.sides[0]
    return layout


def _brows(shape: Shape, expression: Expression) -> Floats:
    """Points 17-26, along the brows' upper edges."""
    t = np.linspace(0, 1, 5)  # outer end to inner end
    x = 0.80 - 0.60 * t
    arch = shape.brow_arch * np.sin(np.pi * np.clip(0.15 + 0.75 * (1 - t) ** 0.8, 0, 1)) * 1.2
    raised = expression.brow_raise * (0.09 if expression.brow_raise > 0 else 0.07)
    frown = np.where(t > 0.5, 0.5 * min(expression.brow_raise, 0.0) * 0.07 * (t - 0.5) * -2, 0.0)
    y = shape.brow_y - arch - raised + shape.brow_tilt * (t - 0.5) + 0.05 * (1 - t) ** 2 + frown
    right = np.stack([x, y], axis=1)
    return np.concatenate([right * [-1, 1], right[::-1]])


def _nose(shape: Shape) -> Floats:
    """Points 27-35: down the ridge to the tip, then along the base from wing to wing."""
    base = shape.nose_length
    ridge = np.stack([np.zeros(4), np.linspace(-0.05, base - 0.13, 4)], axis=1)
    x = shape.nose_width * np.array([-0.86, -0.45, 0.0, 0.45, 0.86])
    below = np.stack([x, base + np.array([-0.045, -0.005, 0.02, -0.005, -0.045])], axis=1)
    return np.concatenate([ridge, below])


def _eyes(shape: Shape, expression: Expression) -> Floats:
    """Points 36-47: outer corner, upper lid, inner corner, lower lid; the mirrored order for the right eye."""
    half, tilt = shape.eye_width / 2, shape.eye_tilt
    upper = -0.54 * shape.eye_height * (1.55 * expression.eye_open - 0.55)
    lower = 0.46 * shape.eye_height * (1 - 0.25 * max(expression.smile, 0))
    outline = np.array(
        [[half, -tilt], [0.36 * half, upper - 0.3 * tilt], [-0.38 * half, upper * 0.96 + 0.3 * tilt],
         [-half, tilt], [-0.40 * half, lower * 0.92 + 0.4 * tilt], [0.34 * half, lower - 0.2 * tilt]]
    )  # fmt: skip
    right = outline + np.array([shape.eye_x, 0.0])
    return np.concatenate([right * [-1, 1], right[[3, 2, 1, 0, 5, 4]]])


def _mouth(shape: Shape, expression: Expression) -> Floats:
    """Points 48-67: outer border from the left corner over the upper lip, then the inner border."""
    smile, gap = expression.smile, 0.30 * expression.mouth_open + 0.05 * max(expression.smile - 0.35, 0)
    half = shape.mouth_width * (1 + 0.22 * max(smile, 0) - 0.16 * expression.mouth_open)
    corner, middle = shape.mouth_y - 0.09 * smile + 0.4 * gap, shape.mouth_y + 0.015 * smile
    up, low = shape.upper_lip * (1 - 0.25 * max(smile, 0)), shape.lower_lip * (1 - 0.15 * max(smile, 0))
    x = np.array([-1.0, -0.60, -0.20, 0.0, 0.20, 0.60, 1.0])
    rise = np.abs(x) ** 2.2  # lips follow the corners
    line = middle + (corner - middle) * rise
    top = line - up * np.array([0, 0.68, 1.0, 0.82, 1.0, 0.68, 0])
    low_x = np.array([0.62, 0.25, 0.0, -0.25, -0.62])
    sag = np.array([0.62, 0.95, 1.0, 0.95, 0.62])
    low_line = middle + (corner - middle) * np.abs(low_x) ** 2.2
    bottom = low_line + (low + gap) * sag
    inner_x = np.array([-0.88, -0.30, 0.0, 0.30, 0.88, 0.30, 0.0, -0.30])
    inner_line = middle + (corner - middle) * np.abs(inner_x) ** 2.2
    inner = inner_line + gap * np.array([0, 0, 0, 0, 0, 0.95, 1.0, 0.95])
    outer = np.stack([np.concatenate([x, low_x]), np.concatenate([top, bottom])], axis=1)
    inside = np.stack([inner_x, inner], axis=1)
    inside[[0, 4]] = 0.7 * outer[[0, 6]] + 0.15 * (outer[[1, 5]] + outer[[11, 7]])  # well within the lips
    return np.concatenate([outer, inside]) * [half, 1.0]


def ellipsoid_outline(head: Head, centre: ArrayLike, radii: ArrayLike, samples: int = 72) -> Floats:
    """Outline (samples, 2) in pixels of an ellipsoid fixed to the head (its perspective taken at its centre).

    The parallel projection of ``{c + diag(r) s : |s| = 1}`` by A is the ellipse whose matrix is ``A diag(r)^2 A^T``.
    """
    angles = np.linspace(0, 2 * np.pi, samples, endpoint=False)
    axes = head.to_camera(np.diag(np.asarray(radii, np.float64)))[:, :2]
    magnify = head.unit * head.view.distance / (head.view.distance - head.to_camera(np.asarray(centre, np.float64))[2])
    shape = np.linalg.cholesky(axes.T @ axes) * magnify
    return np.asarray(
        head.project(np.asarray(centre, np.float64)) + np.stack([np.cos(angles), np.sin(angles)], axis=1) @ shape.T
    )
