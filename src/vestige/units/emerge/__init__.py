"""Which objects do units detect: the frequent ones, or those that tell scenes apart?"""
