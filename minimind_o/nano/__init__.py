"""Making the embedded (nano) assets from nothing: one file per asset."""
