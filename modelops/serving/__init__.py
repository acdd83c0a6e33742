"""All that web processes know of engines: the board of slots, routes, the health of what serves.

Read from the database and from engines' own endpoints. Nothing here starts, stops or plans anything, so that
`chat` may import it.
"""
