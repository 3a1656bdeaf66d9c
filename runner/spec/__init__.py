"""What YAML files say: documents with positions, validated models, and jobs resolved from them.

Nothing here reads a disk or a clock, knows what runs, or decides what changes.
"""
