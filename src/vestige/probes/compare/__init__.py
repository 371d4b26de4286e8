"""Which layer of which network, and what does it cost?"""
