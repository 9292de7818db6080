"""From three worlds to a plan. Pure, except for `refresh`, `source_checks`, `change_positions` and `plan_file`."""
