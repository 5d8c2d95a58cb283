"""Where wake events come from: one small file a source. I/O, like capture.

`events` checks what anybody says, `file` reads a whole file, and `sources` makes what is configured: `follow`
(a file that grows), `mqtt`, `home_assistant`, `wyoming`. `session` gives each of them health and reconnection.
`presence` turns phones' packets into somebody being home; `limit` is how often anybody may speak.
"""
