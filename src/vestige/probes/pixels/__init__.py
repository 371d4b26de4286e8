"""What colours were there?"""
