"""A drawn world of scenes and objects, in which it is known what decides a scene."""

from vestige.synthetic.world.kinds import DIAGNOSTIC, INSIDE, KINDS, OUTSIDE, SCENES, ObjectKind
from vestige.synthetic.world.scenes import Layout, Shown, lay_out_object, lay_out_scene

__all__ = [
    "DIAGNOSTIC",
    "INSIDE",
    "KINDS",
    "OUTSIDE",
    "SCENES",
    "Layout",
    "ObjectKind",
    "Shown",
    "lay_out_object",
    "lay_out_scene",
]
