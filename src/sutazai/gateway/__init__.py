"""The data plane: every LLM call and every call to an agent passes through here.

Belongs here: the queue in front of the LLM servers, the dialects that clients and servers speak,
the choice of a server or of an instance, who may call, and what is kept on disk so that all this
goes on without control or host.
Does not belong here: what should run and where (control), starting or watching processes (host), a
server of models (llm), and anything that calls control to serve a request.

`calls` takes a client's request; `callers` says who it is, `queue` when it runs, `backends` where,
`dialects` in what words. `doors` passes calls on to agents. `app` puts all of it together, `api`
answers control and host. Policies are pure; their edges are named in each package.
"""
