"""Which units detect which objects?"""
