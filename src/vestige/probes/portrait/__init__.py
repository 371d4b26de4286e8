"""What does one descriptor hold?"""
