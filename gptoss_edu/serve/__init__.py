"""A server that speaks OpenAI's APIs: Responses, Chat Completions, and completions by token ids.

errors.py       refusals in OpenAI's shape
fields.py       JSON bodies, read key by key; limits on their content
items.py        Responses items and chat messages ↔ harmony messages
ask.py          a request, independent of the API
bodies.py       reads a body into a request, or refuses it
seals.py        signed thoughts that a client stores
heads.py        a conversation's preamble, and the grammar of the answer
stops.py        stop texts
store.py        stored responses, items and Python kernels, up to a limit
wakes.py        from the pool's thread to the loop's tasks
turn.py         one answer: render, pool, pieces, built-in tools
responses.py    the events and objects of the Responses API
completions.py  chunks of Chat Completions, and of completions by token ids
guard.py        access checks: Host, Origin, key, size
web.py          the routes; response_routes.py, chat_routes.py
running.py      start and shutdown
by_hand.py      HTTP by hand, for chapter 24
conformance.py  six questions of the official Python client
"""
