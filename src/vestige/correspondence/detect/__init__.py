"""Which cells look like a keypoint?"""
