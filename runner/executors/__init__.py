"""Where attempts run. An executor knows ports only; which agents there are is told to it."""
