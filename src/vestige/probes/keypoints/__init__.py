"""Where are an object's parts?"""
