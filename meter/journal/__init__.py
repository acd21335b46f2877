"""Journal: calls whose entries are written behind their answers; until then a line in a file stands for each.

    begun     before a call is sent: whose it is, and which model
    ended     before its answer is handed over: what was consumed, in figures, never in text

A process has a file of its own beside the ledger and holds its lock; once nobody does, whoever opens the ledger for
writing takes in what is left. Nothing that was answered is lost by a kill at any instant, and nothing is twice: an
entry that is there already changes nothing. Reports wait for what this process has to write, and need no more of this
than `pending`.
"""
