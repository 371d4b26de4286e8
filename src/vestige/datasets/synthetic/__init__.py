"""Pictures drawn on the fly, with everything known of them exactly."""

from vestige.datasets.synthetic.faces import CLASSES, FaceSample, draw_face

__all__ = ["CLASSES", "FaceSample", "draw_face"]
