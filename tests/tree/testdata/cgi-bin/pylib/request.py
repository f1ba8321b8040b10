import os

query = os.environ.get("QUERY_STRING")
