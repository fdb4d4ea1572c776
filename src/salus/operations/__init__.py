"""Operations: admissions, theatres, rooms and nurses planned together, and a forecast of demand."""
