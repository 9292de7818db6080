"""The stores, one file each, named after the scheme of their URLs: `open_store` finds what is here."""
