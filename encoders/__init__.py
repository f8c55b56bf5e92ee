"""Image encoders, one per module; import as ``robomtl.encoders``."""

if __name__ != "robomtl.encoders":
    raise ImportError(f"Import robomtl.encoders, not {__name__}.")
