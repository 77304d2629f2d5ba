"""A sweep being executed: spec, plan, executor, store."""
