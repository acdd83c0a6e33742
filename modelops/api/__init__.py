"""REST views of profiles, switches and engines, with their serializers.

Views validate, call a use case of `modelops.switching` or `modelops.profiles`, and serialise. The admin is a
room of its own because the two share use cases and no presentation.
"""
