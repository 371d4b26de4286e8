"""Where units look: the receptive fields that a network has learned, found by occluding pictures."""
