"""Do Convnets Learn Correspondence?"""
