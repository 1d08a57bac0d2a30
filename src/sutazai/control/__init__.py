"""The control plane: desired state, reconciliation, the API.

Belongs here: what is pushed to host and gateway and when, what people and faces can ask for, and
putting the rooms below together.
Does not belong here: how work is done (tasks), how processes are kept (host), how calls are routed
(gateway). None of them needs control to go on.
"""
