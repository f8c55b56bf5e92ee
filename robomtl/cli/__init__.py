"""The command ``robomtl``; one module for each verb."""
