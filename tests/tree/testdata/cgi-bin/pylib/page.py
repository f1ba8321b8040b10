"""Begins the page, for all who import it."""
print("Content-Type: text/plain\n")


def line(text):
    print(text)
