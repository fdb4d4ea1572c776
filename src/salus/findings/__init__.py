"""The contract between what is known and what is proposed: findings, evidence, methods, registry, runner, cards."""
