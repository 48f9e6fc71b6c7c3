"""The parts that run for long or combine others: monitor, actions, snapshots and the like."""
