"""Which keypoint is it?"""
