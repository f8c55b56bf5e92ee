"""The command ``robomtl``; one module a verb."""
