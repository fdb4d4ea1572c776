"""The one place where things are put together: configuration, clock, store, gate, runner, plan, intake."""
