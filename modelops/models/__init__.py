"""The rows of modelops: profiles, and what the GPUs were seen doing."""
