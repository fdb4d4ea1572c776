"""Many patients: views and SQL, risk models with an audit of subgroups, federated training, who is overdue for what."""
