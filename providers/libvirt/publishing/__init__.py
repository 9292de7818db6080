"""Operations: target regions made, changed and removed."""
