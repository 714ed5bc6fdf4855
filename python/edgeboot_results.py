"""Results out of what a model gave: for models that give arrays or tables.

Standard library only; Python 3.6 and newer.
"""


def plain(returned):
    """Lists and numbers of Python, of an array, a sparse matrix or a table."""
    for method in ("toarray", "to_numpy"):
        if hasattr(returned, method):
            returned = getattr(returned, method)()
            break
    return returned.tolist() if hasattr(returned, "tolist") else list(returned)


def put(result, path, value):
    """Puts a value at its place in a result, a dict."""
    for step in path[:-1]:
        result = result.setdefault(step, {})
    result[path[-1]] = value
