"""Operations: target regions created, changed and removed."""
