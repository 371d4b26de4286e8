"""Rounded and flat-faced solids in three dimensions, drawn with shading from far to near.

Model axes: x to the model's left side (the picture's right when it faces the viewer), y down, z forwards.
Lengths are in units of the model; light and normals are in camera axes (x right, y down, z to the viewer).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import skia
from numpy.typing import ArrayLike

from vestige.synthetic.canvas import (
    Canvas,
    Floats,
    colour,
    fill,
    linear_gradient,
    polygon,
    radial_gradient,
    shaded,
)
from vestige.synthetic.light import Light

_RINGS, _SPOKES = 7, 20


@dataclass(frozen=True)
class Camera:
    """Turns and projects; ``axes`` (3, 3) holds the model's axes as rows in camera axes."""

    axes: Floats
    unit: float  # pixels per unit at the model's origin
    distance: float  # in units
    offset: Floats  # (2,) pixels of the model's origin

    def turn(self, points: ArrayLike) -> Floats:
        """Points or directions (..., 3) in camera axes."""
        return np.asarray(np.asarray(points, np.float64) @ self.axes)

    def project(self, points: ArrayLike) -> Floats:
        """Pixel coordinates (..., 2)."""
        turned = self.turn(points)
        return np.asarray(turned[..., :2] * self.magnify(turned[..., 2:]) + self.offset)

    def magnify(self, depth: Floats) -> Floats:
        """Pixels per unit at z = ``depth`` towards the viewer."""
        return np.asarray(self.unit * self.distance / (self.distance - depth))


def look_from(yaw: float, elevation: float, roll: float, unit: float, distance: float, offset: Floats) -> Camera:
    """A camera for a model turned by ``yaw`` to the picture's right, seen from ``elevation`` above, degrees."""
    a, e, r = np.radians([yaw, elevation, roll])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(e), np.sin(e)], [0, -np.sin(e), np.cos(e)]])
    lean = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return Camera((lean @ nod @ turn).T, unit, distance, offset)


@dataclass(frozen=True)
class Capsule:
    """The hull of two balls: limbs, tubes, tapering horns."""

    start: Floats
    end: Floats
    start_radius: float
    end_radius: float
    rgb: Floats
    name: str = ""
    gloss: float = 0.03

    @property
    def centre(self) -> Floats:
        """Middle point (3,), for the drawing order."""
        return (self.start + self.end) / 2

    def draw(self, canvas: Canvas, camera: Camera, light: Light) -> skia.Path:
        """Draws it and returns its outline."""
        ends = camera.turn(np.stack([self.start, self.end]))
        a, b = camera.project(np.stack([self.start, self.end]))
        radii = np.array([self.start_radius, self.end_radius]) * camera.magnify(ends[:, 2])
        path = polygon(_hull_of_discs(a, b, *radii.tolist()))
        length, widest = float(np.linalg.norm(b - a)), float(radii.max())
        if length < 0.6 * widest:
            canvas.image.drawPath(
                path, _ball_paint(a if radii[0] > radii[1] else b, widest, self.rgb, light, self.gloss)
            )
            return path
        axis = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        across = np.array([-axis[1], axis[0], 0.0]) / np.hypot(axis[0], axis[1])
        facing = np.cross(axis, across)
        facing *= np.sign(facing[2]) or 1.0
        s = np.linspace(-0.98, 0.98, 5)
        normals = s[:, None] * across + np.sqrt(1 - s**2)[:, None] * facing
        shades = light.shade(self.rgb, normals, gloss=self.gloss)
        middle = (a + b) / 2
        stops = [(p, c, 1.0) for p, c in zip(np.linspace(0, 1, 5).tolist(), shades, strict=True)]
        gradient = linear_gradient(middle - across[:2] * widest, middle + across[:2] * widest, stops)
        canvas.image.drawPath(path, shaded(gradient))
        return path


@dataclass(frozen=True)
class Ellipsoid:
    """Bodies, heads, wheels; ``semi_axes`` (3, 3) holds its three half axes as rows."""

    centre: Floats
    semi_axes: Floats
    rgb: Floats
    name: str = ""
    gloss: float = 0.03

    def draw(self, canvas: Canvas, camera: Camera, light: Light) -> skia.Path:
        """Draws it and returns its outline.

        The point whose normal is n lies at ``A A^T n / |A^T n|`` from the centre (A: half axes as columns).
        """
        normals, triangles = _half_sphere()
        axes = camera.turn(self.semi_axes)
        middle = camera.turn(self.centre)
        inner = normals @ axes.T
        points = (inner / np.linalg.norm(inner, axis=1, keepdims=True)) @ axes
        # One magnification for all its points keeps the outline an exact ellipse, and the outermost ring its edge.
        flat = (points[:, :2] + middle[:2]) * camera.magnify(middle[2]) + camera.offset
        path = polygon(flat[-_SPOKES:])
        shades = light.shade(self.rgb, normals, gloss=self.gloss).astype(np.float64)
        canvas.image.drawPath(path, fill(shades[-_SPOKES:].mean(0)))
        mesh = skia.Vertices(
            skia.Vertices.VertexMode.kTriangles_VertexMode,
            [skia.Point(x, y) for x, y in flat.tolist()],
            None,
            [colour(c).toColor() for c in shades],
            triangles,
        )
        canvas.image.drawVertices(mesh, fill((1, 1, 1)), skia.BlendMode.kDst)
        return path


@dataclass(frozen=True)
class Faces:
    """A convex solid of flat faces, or a single plate.

    Attributes:
        faces: (M, 3) corners each, in order around the face.
        colours: sRGB of each face.
        two_sided: a plate that is seen from both sides; otherwise faces turned away are not drawn, and outwards
            is away from ``centre``.
        decals: corners and colours of pictures on the faces (windows), drawn after them if they face the viewer.
    """

    centre: Floats
    faces: tuple[Floats, ...]
    colours: tuple[Floats, ...]
    name: str = ""
    two_sided: bool = False
    decals: tuple[tuple[Floats, Floats], ...] = ()
    gloss: float = 0.05

    def draw(self, canvas: Canvas, camera: Camera, light: Light) -> skia.Path:
        """Draws it and returns its outline."""
        whole = skia.Path()
        drawn = [*zip(self.faces, self.colours, strict=True), *self.decals]
        for k, (corners, rgb) in enumerate(drawn):
            normal = np.cross(corners[1] - corners[0], corners[2] - corners[1])
            if not self.two_sided and normal @ (corners.mean(0) - self.centre) < 0:
                normal = -normal
            turned = camera.turn(normal / np.linalg.norm(normal))
            to_viewer = np.array([0.0, 0.0, camera.distance]) - camera.turn(corners.mean(0))
            if turned @ to_viewer <= 0:
                if not self.two_sided:
                    continue
                turned = -turned
            path = polygon(camera.project(corners))
            canvas.image.drawPath(path, shaded(self._gradient(path, turned, rgb, light)))
            if k < len(self.faces):
                whole.addPath(path)
        return whole

    def _gradient(self, path: skia.Path, normal: Floats, rgb: Floats, light: Light) -> skia.Shader:
        """Flat faces are never lit quite evenly."""
        bounds = path.getBounds()
        tilt = np.array([[0.0, -0.12, 0.0], [0.0, 0.12, 0.0]]) + normal
        shades = light.shade(rgb, tilt / np.linalg.norm(tilt, axis=1, keepdims=True), gloss=self.gloss)
        ends = (bounds.left(), bounds.top()), (bounds.right(), bounds.bottom())
        return linear_gradient(*ends, [(0.0, shades[0], 1.0), (1.0, shades[1], 1.0)])


Solid = Capsule | Ellipsoid | Faces


def ball(centre: ArrayLike, radius: float, rgb: Floats, name: str = "", gloss: float = 0.05) -> Ellipsoid:
    """A sphere."""
    return Ellipsoid(np.asarray(centre, np.float64), radius * np.eye(3), rgb, name, gloss)


def tube(
    start: ArrayLike, end: ArrayLike, radii: tuple[float, float], rgb: Floats, name: str = "", gloss: float = 0.03
) -> Capsule:
    """A capsule between two points."""
    return Capsule(np.asarray(start, np.float64), np.asarray(end, np.float64), *radii, rgb, name, gloss)


def plate(corners: ArrayLike, rgb: Floats, name: str = "") -> Faces:
    """One flat polygon seen from both sides."""
    points = np.asarray(corners, np.float64)
    return Faces(points.mean(0), (points,), (rgb,), name, two_sided=True)


def prism(
    low: ArrayLike, high: ArrayLike, rgb: Floats, name: str = "", decals: tuple[tuple[Floats, Floats], ...] = ()
) -> Faces:
    """The solid between two quadrilaterals (4, 3) with matching corners, such as a box or a car's cabin."""
    a, b = np.asarray(low, np.float64), np.asarray(high, np.float64)
    sides = [np.stack([a[i], a[(i + 1) % 4], b[(i + 1) % 4], b[i]]) for i in range(4)]
    return Faces((a.mean(0) + b.mean(0)) / 2, (a, b, *sides), (rgb,) * 6, name, decals=decals)


def box(centre: ArrayLike, half: ArrayLike, rgb: Floats, name: str = "", tilt: float = 0.0) -> Faces:
    """A box of half sizes (3,), tilted backwards about x by ``tilt`` degrees."""
    middle, (x, y, z) = np.asarray(centre, np.float64), np.asarray(half, np.float64)
    turn = about_x(tilt)
    corners = [np.array([[-x, s, -z], [x, s, -z], [x, s, z], [-x, s, z]]) @ turn.T + middle for s in (y, -y)]
    return prism(corners[0], corners[1], rgb, name)


def moved(point: Floats, x: float, y: float, z: float) -> Floats:
    """The point moved along the axes."""
    return np.asarray(point + np.array([x, y, z]))


def about_x(degrees: float) -> Floats:
    """Rotation (3, 3) that tips what points up backwards, and what points forwards up."""
    a = np.radians(degrees)
    return np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])


@cache
def _half_sphere() -> tuple[Floats, list[int]]:
    """Normals (N, 3) of the half sphere that faces the viewer, ring by ring to its edge, and its triangles."""
    tilt = np.repeat(np.linspace(0, np.pi / 2, _RINGS), _SPOKES)
    turn = np.tile(np.arange(_SPOKES) * 2 * np.pi / _SPOKES, _RINGS)
    normals = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], axis=1)
    first = np.arange((_RINGS - 1) * _SPOKES)
    following = first // _SPOKES * _SPOKES + (first + 1) % _SPOKES
    quads = [first, following, first + _SPOKES, following, following + _SPOKES, first + _SPOKES]
    return normals, np.stack(quads, axis=1).ravel().tolist()


def _ball_paint(centre: Floats, radius: float, rgb: Floats, light: Light, gloss: float) -> skia.Paint:
    """A sphere's shading as a radial gradient about its lit side."""
    towards = 0.45 * light.direction
    lit = np.array([towards[0], towards[1], np.sqrt(1 - towards[0] ** 2 - towards[1] ** 2)])
    edge = np.array([-light.direction[0], -light.direction[1], 0.35])
    shades = light.shade(rgb, np.stack([lit, [0.0, 0.0, 1.0], edge / np.linalg.norm(edge)]), gloss=gloss)
    stops = [(p, c, 1.0) for p, c in zip((0.0, 0.4, 1.0), shades, strict=True)]
    return shaded(radial_gradient(centre + radius * towards[:2], 1.45 * radius, stops))


def _hull_of_discs(a: Floats, b: Floats, ra: float, rb: float) -> Floats:
    """Outline (N, 2) of the convex hull of two discs."""
    length = float(np.linalg.norm(b - a))
    if length <= abs(ra - rb) + 1e-6:
        centre, radius = (a, ra) if ra > rb else (b, rb)
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        return np.asarray(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    heading = np.arctan2(b[1] - a[1], b[0] - a[0])
    spread = np.arccos((ra - rb) / length)
    around_a = heading + np.linspace(spread, 2 * np.pi - spread, 13)
    around_b = heading + np.linspace(-spread, spread, 13)
    arcs = [
        centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        for centre, radius, angle in ((a, ra, around_a), (b, rb, around_b))
    ]
    return np.concatenate(arcs)
