"""Messages between agents: the broker in this process, and other brokers behind the same face.

Belongs here: inboxes with their bounds and their order, expiry, dead letters, who waits for whom,
the log file, and the carriers (the log itself, NATS JetStream, RabbitMQ) that make a publish last.
Does not belong here: who may write to whom and which types there are (fleet, gateway), how a
message reaches an instance (gateway), what an author writes against (agent).

`inboxes`, `inbox`, `letters`, `waits`, `window` and `frames` are pure: time is passed in. `journal`
writes the file, `bus` puts all of it together.
"""
