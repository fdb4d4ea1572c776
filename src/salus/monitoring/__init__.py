"""What can be read from measurements over time: early-warning score, home blood pressure, heart rate from the ECG."""
