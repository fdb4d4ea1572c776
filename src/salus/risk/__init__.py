"""Clinical equations, kidney function and cardiovascular risk."""
