//! Models of the table, run over loom and shuttle.
