"""What is read from a ledger: sums, margins, one user's standing, and how they are shown.

It names nothing itself: each command loads the parts that it shows.
"""
