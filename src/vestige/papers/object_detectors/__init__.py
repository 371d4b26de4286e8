"""Object Detectors Emerge in Deep Scene CNNs."""
