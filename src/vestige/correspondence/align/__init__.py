"""Do features align instances of a class?"""
