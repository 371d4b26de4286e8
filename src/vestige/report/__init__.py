"""Pages and pictures from run folders."""
