"""jobsd: a declarative runner for agents, from YAML files to execution records."""

__version__ = "0.1.0"
