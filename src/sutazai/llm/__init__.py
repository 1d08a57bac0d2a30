"""The embedded LLM server, and what there is to know about models on this machine.

Belongs here: finding and pulling model files, what they are and how much memory they take, the
llama.cpp server as a process of its own (``python -m sutazai.llm serve``), and whether an Ollama
runs here already.
Does not belong here: who may call a model, when, and in which order; that is the gateway's. Which
backends a fleet uses is control's.
"""
