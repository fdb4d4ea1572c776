"""Surgery: models to look at and paths to think about. Planning and simulation only; nothing here moves a device."""
