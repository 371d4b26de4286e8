"""What a package of somebody else's brings to vestige: kinds of data, a family of networks, and a probe of depth."""
