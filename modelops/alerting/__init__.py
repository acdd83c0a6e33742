"""Tells people outside about the desk's alarms, for installations without an Alertmanager.

`watch` is a thread of the switcher that reads the alarms, `ledger` keeps which of them were told when,
`alerts` words them, `payloads` gives them the shape of a chat service, and `webhook` posts them.
"""
