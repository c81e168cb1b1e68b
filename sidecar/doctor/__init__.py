"""`retag doctor`: what may be wrong with an installation, and what to do. Nothing is changed.

Facts are read first, from this machine (`here`, `registries`) or from the cluster (`facts`); each
check is a function of them, and what may not be read is a result as well.
"""
