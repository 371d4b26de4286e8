"""Files damaged in every way that a seed can think of, and readers that must not be surprised by them."""
