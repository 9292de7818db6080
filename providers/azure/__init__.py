"""The `azure` backend: Azure Compute Gallery, through Microsoft's SDK."""
