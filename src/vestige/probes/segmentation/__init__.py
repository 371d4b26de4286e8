"""What is where?"""
