"""A server that speaks OpenAI's APIs: Responses, Chat Completions, and completions by token ids.

errors.py       refusals in OpenAI's shape
fields.py       JSON bodies, read key by key; limits on what a body may hold
items.py        Responses items and chat messages ↔ harmony messages
ask.py          what is asked, whichever API asked it
bodies.py       a request's body → what is asked, or a refusal
seals.py        thoughts that a client carries, signed
heads.py        what stands before a conversation, and the grammar of what comes after it
stops.py        stop texts
store.py        responses, items and Python kernels that are kept, bounded
turn.py         one answer: render, pool, pieces, built-in tools
responses.py    the events and objects of the Responses API
completions.py  those of Chat Completions, and of completions by token ids
guard.py        who may ask: Host, Origin, key, size
web.py          the routes; response_routes.py, chat_routes.py
running.py      starting and ending
by_hand.py      HTTP by hand, for chapter 24
conformance.py  six questions of the official Python client
"""
