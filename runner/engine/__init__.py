"""The living part: it holds what runs and waits, and turns firings into records. It touches nothing outside."""
