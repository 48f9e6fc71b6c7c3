"""Audits: the state of modules under each kernel, compared with what a policy wants."""
