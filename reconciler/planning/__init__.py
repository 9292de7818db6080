"""From three worlds to a plan. Pure, except for `refresh`, `source_checks`, `source_digests`, `change_positions` and
`saved`."""
