"""What does a layer take for alike: patches put together again, and mean receptive fields."""
