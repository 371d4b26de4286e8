"""Pictures drawn on the fly, with everything known of them exactly."""

from vestige.synthetic.faces import CLASSES, FaceSample, draw_face
from vestige.synthetic.objects import OBJECT_CLASSES, OBJECT_KEYPOINTS, VOID, ObjectSample, draw_object

__all__ = [
    "CLASSES",
    "OBJECT_CLASSES",
    "OBJECT_KEYPOINTS",
    "VOID",
    "FaceSample",
    "ObjectSample",
    "draw_face",
    "draw_object",
]
