"""What all emulated resources share: routing, storage, asynchronous operations, time, ids, schemas."""
