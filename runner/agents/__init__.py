"""What can be run. Each kind of agent is one module; they share nothing but the protocol in `runner.ports`."""
