"""Flow between two grids of features: loopy belief propagation with messages in linear time."""
