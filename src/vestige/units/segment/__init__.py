"""What do units show of a picture?"""
