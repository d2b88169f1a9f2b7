"""What runs on a server to bring the program there and to change its version. The core serves it as one script.

They import nothing but Python's own library and each other, and are written for Python 3.6, so that an old one too can
say what to do. Their order in `rollout.script` is that of their imports.
"""
