"""Worker processes, and the device, precision and threads that they compute with."""
