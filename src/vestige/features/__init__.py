"""Images to stored features."""
