"""`manage.py doctor` and `support_bundle`: what an operator would look at first, bounded in time."""
