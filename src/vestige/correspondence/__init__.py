"""Do features correspond? The measurements of *Do Convnets Learn Correspondence?* (Long, Zhang and Darrell, 2014)."""
