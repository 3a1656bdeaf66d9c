"""Everything that one can ask or tell jobsd; HTTP, command line and page all go through here.

It knows the engine and the ports, never an adapter.
"""
