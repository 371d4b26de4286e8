"""What do labelled units find in a picture?"""
