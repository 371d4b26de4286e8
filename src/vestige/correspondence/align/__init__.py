"""Do instances of a class fall into place?"""
