"""What is known of a person, asked once by everybody: in three values, with evidence, date and the place that
decides."""
