-- A patient's entries of one topic: which decision on consent is the newest is asked before every look, and must not
-- take longer the more often somebody looked.

CREATE INDEX log_leaf_of_patient_topic ON log_leaf (pid, topic, n);

-- What was written since findings were worked out: looks write nothing.

CREATE INDEX log_leaf_written ON log_leaf (pid, n) WHERE topic <> 'access';
