"""jobsd: a declarative runner for agents, from YAML files to execution records."""

from importlib.metadata import version

__version__ = version("jobsd")
