"""Importing: calls that others recorded, priced at the rates of their instants and taken into a ledger once.

files.py and claude_code.py read records, fields.py and columns.py say what stands where, cells.py what it means,
taking.py writes.
"""
