"""What happens to a picture if its representation moves along an attribute?"""
