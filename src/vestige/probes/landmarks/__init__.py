"""Where are a face's parts?"""
