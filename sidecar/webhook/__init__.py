"""The webhook: a registry tells that something was pushed, so that nobody waits for a poll."""
