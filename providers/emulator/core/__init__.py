"""The machinery that all emulated resources share: routes, storage, operations, time, ids."""
