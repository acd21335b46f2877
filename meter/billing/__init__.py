"""What a billing system knows: plans, subscriptions and revenue, read from its files and checked against the ledger.

A file is looked at whole before anything is written; where one of its lines is wrong, nothing is.
"""
