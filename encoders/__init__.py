"""The room of image encoders; import it as ``robomtl.encoders``."""

if __name__ != "robomtl.encoders":
    raise ImportError(f"Import robomtl.encoders, not {__name__}.")
