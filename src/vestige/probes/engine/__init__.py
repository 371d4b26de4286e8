"""What all probes share: views, targets, fits, the methods of points and of vectors, and what a run keeps of them."""
