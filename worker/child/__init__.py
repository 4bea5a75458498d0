"""The child's side: one long-lived process a slot, which runs one message's tasks after another.

It has one thread, so handlers may fork, and imports no AWS library until a handler asks for a file.
"""
