"""The emulator of Azure's API as a service, and the `emulator` backend, which is the `azure` one on it."""
