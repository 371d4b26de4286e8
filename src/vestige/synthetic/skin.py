"""The skin of the face: a shaded texture on the head's surface grid, drawn through a triangle mesh."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import skia
from numpy.typing import NDArray

from vestige.synthetic.canvas import Canvas, fill, shaded, steps
from vestige.synthetic.head import COLUMNS, ROWS, Head, mesh_indices
from vestige.synthetic.identity import Look
from vestige.synthetic.light import Light
from vestige.synthetic.noise import noise_picture

Reals = NDArray[np.floating[Any]]

# What blood near the surface and shadows under the eyes take from red, green and blue.
_BLUSH = np.array([0.0, 0.10, 0.09], np.float32)
_TIRED = np.array([0.13, 0.16, 0.10], np.float32)


def draw_skin(canvas: Canvas, head: Head, light: Light, look: Look, rng: np.random.Generator) -> skia.Path:
    """Draws the face without its features; returns its outline."""
    texture = skin_texture(head, light, look, rng)
    outline = head.outline
    edge = texture[ROWS // 2 :, [2, COLUMNS // 2, -3]].mean((0, 1)) / 255
    canvas.image.drawPath(outline, fill(edge[:3]))
    canvas.image.save()
    canvas.image.clipPath(outline, skia.ClipOp.kIntersect, True)
    image = skia.Image.fromarray(texture, skia.ColorType.kRGBA_8888_ColorType)
    sampling = skia.SamplingOptions(skia.FilterMode.kLinear)
    shader = image.makeShader(skia.TileMode.kClamp, skia.TileMode.kClamp, sampling)
    corners, triangles = _topology(head.view.yaw >= 0)
    points = [skia.Point(x, y) for x, y in head.mesh.reshape(-1, 2).tolist()]
    mesh = skia.Vertices(skia.Vertices.VertexMode.kTriangles_VertexMode, points, corners, None, triangles)
    canvas.image.drawVertices(mesh, shaded(shader))
    canvas.image.restore()
    return outline


@cache
def _topology(right: bool) -> tuple[list[skia.Point], list[int]]:
    """Texture coordinates and triangles of the mesh; columns far from the viewer come first (the painter's order)."""
    rows, columns = mesh_indices()
    corners = [skia.Point(float(j) + 0.5, float(i) + 0.5) for i in rows for j in columns]
    n, m = len(rows), len(columns)
    half = m // 2
    order = [*range(m - 2, half - 1, -1), *range(half)] if right else [*range(half), *range(m - 2, half - 1, -1)]
    first = (np.arange(n - 1)[None] * m + np.array(order)[:, None]).ravel()
    quads = np.stack([first, first + 1, first + m, first + 1, first + m + 1, first + m], axis=1)
    return corners, quads.ravel().tolist()


def skin_texture(head: Head, light: Light, look: Look, rng: np.random.Generator) -> NDArray[np.uint8]:
    """RGBA texture (ROWS, COLUMNS, 4) on the head's surface grid."""
    grid = head.grid.astype(np.float32)  # half the time, and more exact than the eight bits that come out
    normals = (_normals(grid) @ head.camera_axes).astype(np.float32)
    x, y = grid[..., 0], grid[..., 1]
    grain = _grain(rng)
    albedo = _albedo(head, look, x, y, grain)
    shine = [
        (0, -0.55, 0.5, 0.3, 1.0),
        (0, 0.4, 0.14, 0.35, 1.0),
        (0.55, 0.35, 0.2, 0.2, 0.8),
        (0, head.chin - 0.2, 0.2, 0.12, 0.6),
    ]  # forehead, nose, cheeks, chin
    gloss = 0.10 * (1 - 0.5 * look.makeup) * (0.85 + 0.15 * grain) * _spots(x, y, shine, 0.35)
    occlusion = _occlusion(head, x, y)
    shade = light.shade(albedo, normals, 0.4 + 0.6 * occlusion, occlusion, gloss)
    texture = np.full((ROWS, COLUMNS, 4), 255, np.uint8)
    texture[..., :3] = shade * 255 + 0.5
    return texture


def _normals(grid: Reals) -> Reals:
    """Unit normals (ROWS, COLUMNS, 3) towards the viewer of a frontal head."""
    plane = np.ascontiguousarray(np.moveaxis(grid, -1, 0))
    (ax, ay, az), (bx, by, bz) = ([steps(c.T).T for c in plane], [steps(c) for c in plane])
    normal = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    normal /= np.sqrt((normal**2).sum(0)) + 1e-9
    return np.asarray(np.moveaxis(normal, 0, -1))


def _spots(x: Reals, y: Reals, spots: list[tuple[float, float, float, float, float]], floor: float = 0.0) -> Reals:
    """Sum of symmetric Gaussian spots (x, y, width, height, amplitude) above a floor."""
    total = np.full_like(x, floor)
    side = np.abs(x)
    for sx, sy, width, height, amplitude in spots:
        total += amplitude * np.exp(-0.5 * (((side - sx) / width) ** 2 + ((y - sy) / height) ** 2))
    return total


def _occlusion(head: Head, x: Reals, y: Reals) -> Reals:
    """How much ambient light reaches the skin: less in hollows."""
    shape = head.shape
    layout = head.layout
    lip = layout[57, 1]
    return 1 - _spots(
        x, y,
        [
            (0.22, -0.05, 0.07, 0.10, 0.30),
            (shape.eye_x, -0.11, 0.20, 0.05, 0.22),
            (0.9 * shape.nose_width, shape.nose_length - 0.02, 0.05, 0.05, 0.35),
            (0.0, shape.nose_length + 0.06, 0.17, 0.05, 0.30),
            (0.0, lip + 0.07, 0.20, 0.05, 0.30),
            (shape.mouth_width + 0.03, layout[48, 1], 0.04, 0.04, 0.20),
        ],
    )  # fmt: skip


def _albedo(head: Head, look: Look, x: Reals, y: Reals, grain: Reals) -> Reals:
    """The skin's own colour (ROWS, COLUMNS, 3) in sRGB: blush, shadows under the eyes, beard, pores."""
    shape = head.shape
    skin = look.skin.astype(np.float32) * (1 + 0.022 * grain[..., None])
    blush = _spots(
        x,
        y,
        [
            (0.55, 0.42, 0.22, 0.18, 1.0),
            (0.0, shape.nose_length - 0.1, 0.15, 0.13, 0.9),
            (0.0, shape.mouth_y, 0.5, 0.3, 0.25),
        ],
    )
    tired = _spots(x, y, [(shape.eye_x, 0.13, 0.16, 0.06, 0.5 + 0.5 * look.age), (shape.eye_x, -0.10, 0.2, 0.06, 0.4)])
    skin = skin * (1 - blush[..., None] * _BLUSH) * (1 - tired[..., None] * _TIRED)
    share = beard_density(head, look, x, y) * np.clip(0.9 + 0.1 * grain, 0, 1)
    hair = look.hair * 0.9 + 0.02
    colours = skin * (1 - share[..., None]) + hair * share[..., None]
    return np.asarray(np.clip(colours, 0.01, 1), np.float32)


def beard_density(head: Head, look: Look, x: Reals, y: Reals) -> Reals:
    """How far beard, moustache and stubble cover the skin, in [0, 1]."""
    layout, side = head.layout, np.abs(x)
    if not (look.beard or look.moustache or look.stubble):
        return np.zeros_like(x)
    cheek_line = np.interp(side, [0.0, 0.30, 0.50, 0.75, 0.93, 1.1], [0.92, 0.86, 0.84, 0.66, 0.25, -0.1])
    jaw = _step((y - cheek_line) / 0.10)
    centre, half = (layout[51] + layout[57]) / 2, (layout[54, 0] - layout[48, 0]) / 2
    lips = ((x - centre[0]) / (1.15 * half)) ** 2 + (
        (y - centre[1]) / (0.6 * (layout[57, 1] - layout[51, 1]) + 0.02)
    ) ** 2
    open_mouth = _step((lips - 1) / 0.3)
    base = head.shape.nose_length + 0.05
    below = layout[51, 1] + 0.02 + 0.35 * np.clip(side - 0.2, 0, None)
    tache = _step((y - base) / 0.06) * _step((below - y) / 0.05) * _step((1.15 * half - side) / 0.08)
    under_nose = _step((y - cheek_line) / 0.1) * _step((y - centre[1] - 0.1 + 0.6 * np.clip(side - 0.3, 0, None)) / 0.1)
    full = np.maximum(look.beard * np.maximum(under_nose, jaw * _step((side - 0.36) / 0.06)), look.moustache * tache)
    shadow = 0.30 * look.stubble * np.maximum(jaw, tache)
    return np.asarray(np.maximum(np.clip(full, 0, 0.92), shadow) * open_mouth)


def _step(t: Reals) -> Reals:
    """Smooth step from 0 at t = -1/2 to 1 at t = 1/2."""
    s = np.clip(t + 0.5, 0, 1)
    return np.asarray(s * s * (3 - 2 * s))


def _grain(rng: np.random.Generator) -> NDArray[np.float32]:
    """Mottling (ROWS, COLUMNS), zero mean and unit spread: a random window of a fixed noise picture."""
    noise = noise_picture()
    i, j = rng.integers(0, noise.shape[0] - ROWS), rng.integers(0, noise.shape[1] - COLUMNS)
    return noise[i : i + ROWS, j : j + COLUMNS]
