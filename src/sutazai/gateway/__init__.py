"""The data plane: every LLM call and every call to an agent passes through here.

Belongs here: the queue in front of the LLM servers, the dialects that clients and servers speak,
the choice of a server or of an instance, who may call, and what is kept on disk so that all this
goes on without control or host.
Does not belong here: what should run and where (control), starting or watching processes (host), a
server of models (llm), and anything that calls control to serve a request.

The policies (`scheduler`, `fairness`, `waiting`, `catalogue`, `instances`, `dialects`) are pure;
the edges that carry them out are `admission`, `calls`, `backends`, `doors` and `api`, put together
in `app`.
"""
