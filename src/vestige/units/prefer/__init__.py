"""Which of several sets of pictures layers respond to most."""
