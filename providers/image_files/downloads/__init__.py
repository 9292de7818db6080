"""Images that apply downloads: checked addresses, resumed transfers, a cache by digest."""
