"""What is kept of calls: the record, the dead letters, and the figures of the last minutes.

Belongs here: the shape of one call's record, the file that records and dead letters are kept in
with the one thread that writes it, its bounds, what is removed from texts before they are kept,
and the search.
Does not belong here: what makes a record or a dead letter (calls), counters (metrics), and whatever
a call needs to be served: with the disk full or the file broken, calls go on.
"""
