"""Does it wear glasses, which way does it look?"""
